"""torch against onnxruntime, graph by graph and as a chain, on real pictures: one table, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from mam.contract import InferencePolicy
from mam.crops import whole
from mam.frames import SIDE
from mam.images import open_photo
from mam.matting import Matting
from mam.nets.mam import MattingAnything
from mam.nets.refine import HIGH, LOW
from mam.prompts import Prompt
from mam.runtime import Graphs


@dataclass(frozen=True)
class TorchGraphs:
    """The three steps in torch behind the interface of `mam.runtime.Graphs`, so that the same library runs both."""

    model: MattingAnything

    folder, provider, note = Path(), "torch", ""

    @property
    def variant(self) -> str:
        """The model's name."""
        return self.model.variant.name

    @property
    def policy(self) -> InferencePolicy:
        """The crops and the mask candidates that the model was made for."""
        return self.model.variant.policy

    @torch.inference_mode()
    def encode(self, image: np.ndarray) -> np.ndarray:
        return self.model.sam.image_encoder(torch.from_numpy(image)).numpy()

    @torch.inference_mode()
    def decode(self, image_embeddings: np.ndarray, *prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sam = self.model.sam
        masks, scores = sam.answer(torch.from_numpy(image_embeddings), *map(torch.from_numpy, prompts))
        return masks.numpy(), scores.numpy()

    @torch.inference_mode()
    def matte(self, image, image_embeddings, mask_logits, input_size, original_size, mask_guidance) -> np.ndarray:
        arrays = (np.ascontiguousarray(image), image_embeddings, np.ascontiguousarray(mask_logits))
        tensors = [*map(torch.from_numpy, arrays), torch.tensor(input_size), torch.tensor(original_size)]
        return self.model.matte(*tensors, torch.tensor(mask_guidance)).numpy()

    @torch.inference_mode()
    def undecided(
        self, image, image_embeddings, mask_logits, input_size, original_size
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels whose alpha hangs on a threshold that rounding decides, (B, H, W) bool, twice.

        First for `matte` alone: a post mask's logit within rounding of 0, an alpha within rounding of 1/255 or 254/255, and
        the pixels around it that refinement's dilations reach. Then for the chain, where SAM's low-resolution logits
        differ by rounding too: one that crosses 0 changes what Mask-to-Matte sees around it.
        """
        arrays = map(torch.from_numpy, (image, image_embeddings, mask_logits))
        logits, alphas = self.model.unrefined(*arrays, torch.tensor(input_size), torch.tensor(original_size))
        steps = F.max_pool2d(logits, 3, 1, 1) + F.max_pool2d(-logits, 3, 1, 1)  # across two pixels
        doubtful = logits.abs() < _LOGIT_ROUNDING * logits.abs().amax() + _PLACE_ROUNDING * steps / 2
        near = (
            F.max_pool2d(doubtful.float(), 19, 1, 9) > 0
        )  # the three dilations, one after the other, reach 2 + 5 + 2 pixels
        for threshold in (LOW, HIGH):
            doubtful = ((alphas[:, :2] - threshold).abs() < _ALPHA_ROUNDING).any(1, keepdim=True)
            near = near | (F.max_pool2d(doubtful.float(), 15, 1, 7) > 0)  # the last two, 5 + 2
        low_res = torch.from_numpy(mask_logits)
        crossing = (low_res.abs() < _LOGIT_ROUNDING * low_res.abs().amax()).float()
        # 12 low-resolution pixels are 48 of the input frame: three cells.
        seen = F.interpolate(F.max_pool2d(crossing, 25, 1, 12), SIDE, mode="nearest")[
            ..., : input_size[0], : input_size[1]
        ]
        seen = F.interpolate(seen, tuple(original_size), mode="nearest") > 0
        return near[:, 0].numpy(), (near | seen)[:, 0].numpy()


@dataclass(frozen=True)
class Row:
    """One comparison. `error` and `limit` are of one kind; `why` says where the limit comes from."""

    what: str
    case: str
    error: float
    limit: float
    why: str

    @property
    def ok(self) -> bool:
        return self.error <= self.limit  # false for NaN too


_SUMS = "float32 sums in another order, relative to the largest value"
_FLIP = "a logit within rounding of 0, or an alpha of 1/255 or 254/255, may fall to the other side of its threshold"
_NO_FLIP = "away from such pixels only rounding and resizing are left"
_ALPHA_ROUNDING = 3e-5  # what resizing in another order makes of float32 alphas; 2e-5 was the largest seen
_LOGIT_ROUNDING = 1e-5  # of logits, relative to the largest; 9.3e-6 was the largest seen
_PLACE_ROUNDING = 1e-4  # of where resizing reads, in pixels: float32 counts to 1024 in steps of 6e-5


def compare(model: MattingAnything, graphs: Graphs, pictures: Sequence[Path]) -> Iterator[Row]:
    """Compare every graph on the same inputs, then the whole chain from picture to alpha.

    Args:
        model: torch, eval mode. graphs: exported from it. pictures: files.
    """
    reference = TorchGraphs(model)
    for path in pictures:
        for pixels in _sizes(open_photo(path).pixels):
            h, w = pixels.shape[:2]
            case = f"{path.stem} {h}x{w}"
            ours, theirs = Matting(graphs).open(pixels), Matting(reference).open(pixels)
            truth = theirs.image_embeddings
            yield Row("image_encoder", case, _relative(ours.image_embeddings, truth), 1e-4, _SUMS)
            for name, prompt in _prompts(h, w).items():
                checked = [p.checked((h, w)).to_input(theirs.frame, whole((h, w))) for p in prompt]
                arrays = [np.stack(values) for values in zip(*checked)]
                masks, scores = reference.decode(truth, *arrays)
                masks_ort, scores_ort = graphs.decode(truth, *arrays)
                error = max(_relative(masks_ort, masks), _relative(scores_ort, scores))
                yield Row("mask_decoder", f"{case} {name}", error, 1e-4, _SUMS)
                yield from _compare_alphas(f"{case} {name}", reference, graphs, ours, theirs, prompt)


def _compare_alphas(what, reference, graphs, ours, theirs, prompt) -> Iterator[Row]:
    """Both guidances, of which neither changes which pixels hang on a threshold."""
    logits = np.stack([segment.logits[None] for segment in theirs.segment(prompt, recrop=False)])
    inputs = (theirs.input_image, theirs.image_embeddings, logits, theirs.frame.input_size, theirs.frame.original_size)
    hangs, hangs_in_chain = reference.undecided(*inputs)
    for guidance in ("alpha", "mask"):
        case = f"{what} {guidance}"
        expected = reference.matte(*inputs, guidance == "mask")
        difference = np.abs(graphs.matte(*inputs, guidance == "mask") - expected)[:, 0]
        yield Row("matte: share beyond 1/255", case, float((difference > 1 / 255).mean()), 1e-3, _FLIP)
        yield Row("matte: largest, decided pixels", case, float((difference * ~hangs).max()), 4 / 255, _NO_FLIP)
        pairs = zip(
            ours.mattes(prompt, guidance=guidance, recrop=False), theirs.mattes(prompt, guidance=guidance, recrop=False)
        )
        chains = [_difference(a, b) for a, b in pairs]
        yield Row(
            "chain: share beyond 1/255", case, float(np.mean([(d > 1 / 255).mean() for d in chains])), 1e-3, _FLIP
        )
        largest = max(float((d * ~h).max()) for d, h in zip(chains, hangs_in_chain))
        yield Row("chain: largest, decided pixels", case, largest, 4 / 255, _NO_FLIP)
        yield Row(
            "chain: share undecided",
            case,
            float(hangs_in_chain.mean()),
            0.5,
            "what the line above leaves out; most in small pictures",
        )
        empty = float(np.mean([not segment.mask.any() for segment in theirs.segment(prompt, recrop=False)]))
        yield Row("chain: share with an empty mask", case, empty, 0.5, "an empty mask compares nothing")


def _difference(a, b) -> np.ndarray:
    if not a or not b:  # nothing found must be found by both
        return np.float32([bool(a) != bool(b)])
    return np.abs(a.alpha - b.alpha)


def _relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def _sizes(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The picture itself, a tall crop enlarged beyond the input frame, and a small one."""
    yield pixels
    h, w = pixels.shape[:2]
    tall = Image.fromarray(pixels).crop((w // 5, 0, w // 5 + h // 2, h))
    yield np.asarray(tall.resize((701, 1403), Image.Resampling.BICUBIC))
    yield np.asarray(Image.fromarray(pixels).resize((203, 151), Image.Resampling.LANCZOS))


def _prompts(h: int, w: int) -> dict[str, list[Prompt]]:
    box = (0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h)
    return {
        "box": [Prompt(box=box)],
        "click": [Prompt(points=[(w / 2, h / 2)])],
        "box and two clicks": [Prompt(box=box, points=[(w / 2, h / 2), (2, 2)], labels=[1, 0])],
        "two boxes": [Prompt(box=box), Prompt(box=(0, 0.5 * h, 0.5 * w, h))],
    }


def summary(rows: Sequence[Row]) -> str:
    """The worst case of each comparison as a table."""
    lines = [f"{'comparison':30} {'cases':>5} {'worst':>10} {'limit':>10}  {'':4} worst case; why a difference at all"]
    for what in dict.fromkeys(row.what for row in rows):
        own = [row for row in rows if row.what == what]
        worst = max(own, key=lambda row: (not row.ok, row.error))
        verdict = "ok" if worst.ok else "FAIL"
        lines.append(
            f"{what:30} {len(own):5} {worst.error:10.2e} {worst.limit:10.2e}  {verdict:4} {worst.case}; {worst.why}"
        )
    return "\n".join(lines)
