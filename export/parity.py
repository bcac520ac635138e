"""Comparison of torch with onnxruntime on photographs, graph by graph and as a chain, as a table of the worst cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from export.limits import LIMITS
from export.torch_graphs import TorchGraphs
from export.undecided import undecided_pixels
from mam.images import open_photo
from mam.masks.prompts import Prompt
from mam.matte import Matte, NothingFound
from mam.matting import Matting
from mam.model import steps
from mam.model.steps import Graphs, to_numpy
from mam.nets.mam import MattingAnything
from mam.scene import Guidance, Scene


@dataclass(frozen=True)
class Difference:
    """One comparison.

    Attributes:
        what: what is compared.
        case: the image, its size, the prompt and the guidance.
        error: the difference between the two.
        limit: the largest error that passes.
        cause: the cause of the difference.
    """

    what: str
    case: str
    error: float
    limit: float
    cause: str

    @property
    def ok(self) -> bool:
        """Whether the error is within its limit; False for NaN."""
        return self.error <= self.limit


def all_sizes(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Return the image itself, a tall crop enlarged beyond the input frame, and a small one."""
    yield pixels
    h, w = pixels.shape[:2]
    tall = Image.fromarray(pixels).crop((w // 5, 0, w // 5 + h // 2, h))
    yield np.asarray(tall.resize((701, 1403), Image.Resampling.BICUBIC))
    yield np.asarray(Image.fromarray(pixels).resize((203, 151), Image.Resampling.LANCZOS))


def all_prompts(h: int, w: int) -> dict[str, list[Prompt]]:
    """Return calls of every kind for an image of this size: a name, and the prompts of one call."""
    box = (0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h)
    return {
        "box": [Prompt(box=box)],
        "click": [Prompt(points=[(w / 2, h / 2)])],
        "box and two clicks": [Prompt(box=box, points=[(w / 2, h / 2), (2, 2)], labels=[1, 0])],
        "two boxes": [Prompt(box=box), Prompt(box=(0, 0.5 * h, 0.5 * w, h))],
    }


def compare(
    model: MattingAnything,
    graphs: Graphs,
    images: Sequence[Path],
    *,
    sizes: Callable[[np.ndarray], Iterator[np.ndarray]] = all_sizes,
    prompts: Callable[[int, int], Mapping[str, list[Prompt]]] = all_prompts,
) -> Iterator[Difference]:
    """Compare every graph on the same inputs, then the whole chain from image to alpha.

    Args:
        model: torch, in eval mode.
        graphs: exported from it.
        images: files.
        sizes: the images that are made of one, each (H, W, 3) uint8.
        prompts: (H, W) -> the calls to compare, by name.
    """
    reference = TorchGraphs(model)
    for path in images:
        for pixels in sizes(open_photo(path).pixels):
            h, w = pixels.shape[:2]
            case = f"{path.stem} {h}x{w}"
            ours, theirs = Matting(graphs).open(pixels), Matting(reference).open(pixels)
            truth = theirs.whole.features
            found = ours.whole.features
            error = max(relative_error(to_numpy(found[name]), to_numpy(values)) for name, values in truth.items())
            yield _row("image_encoder", case, error)
            for name, call in prompts(h, w).items():
                inputs = [prompt.check((h, w)).to_input(theirs.whole.frame, sam2=graphs.policy.sam2) for prompt in call]
                coords, labels, masks, has_mask = (np.stack(values) for values in zip(*inputs, strict=True))
                expected = steps.decode(reference, truth, coords, labels, masks, has_mask)
                got = steps.decode(graphs, truth, coords, labels, masks, has_mask)
                error = max(relative_error(a, b) for a, b in zip(got, expected, strict=True))
                yield _row("mask_decoder", f"{case} {name}", error)
                yield from _compare_alphas(f"{case} {name}", reference, graphs, ours, theirs, call)


def _compare_alphas(
    case: str, reference: TorchGraphs, graphs: Graphs, ours: Scene, theirs: Scene, call: list[Prompt]
) -> Iterator[Difference]:
    """Compare the matte graph on equal masks, then the chain; both guidances, which share their undecided pixels."""
    segments = theirs.segment(call, recrop=False)
    inputs = theirs.whole.matte_inputs(segments)
    undecided = undecided_pixels(reference.model, *inputs)
    empty = float(np.mean([segment.is_empty for segment in segments]))
    guidances: tuple[Guidance, ...] = ("alpha", "mask")
    for guidance in guidances:
        named = f"{case} {guidance}"
        expected = steps.matte(reference, *inputs, guidance == "mask")
        difference = np.abs(steps.matte(graphs, *inputs, guidance == "mask") - expected)[:, 0]
        yield _row("matte: share beyond 1/255", named, float((difference > 1 / 255).mean()))
        yield _row("matte: largest, decided pixels", named, float((difference * ~undecided.matte).max()))
        mattes = (scene.mattes(call, guidance=guidance, recrop=False) for scene in (ours, theirs))
        chain = [_difference(a, b) for a, b in zip(*mattes, strict=True)]
        yield _row("chain: share beyond 1/255", named, float(np.mean([(d > 1 / 255).mean() for d in chain])))
        largest = max(float((d * ~u).max()) for d, u in zip(chain, undecided.chain, strict=True))
        yield _row("chain: largest, decided pixels", named, largest)
        yield _row("chain: share undecided", named, float(undecided.chain.mean()))
        yield _row("chain: share with an empty mask", named, empty)


def _row(what: str, case: str, error: float) -> Difference:
    return Difference(what, case, error, *LIMITS[what])


def _difference(a: Matte | NothingFound, b: Matte | NothingFound) -> np.ndarray:
    if isinstance(a, Matte) and isinstance(b, Matte):
        return np.abs(a.alpha - b.alpha)
    return np.array([isinstance(a, Matte) != isinstance(b, Matte)], np.float32)  # both must find nothing


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, relative to the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def summary(rows: Sequence[Difference]) -> str:
    """Format the worst case of each comparison as a table."""
    lines = [f"{'comparison':31} {'cases':>5} {'worst':>10} {'limit':>10}  {'':4} worst case; cause of the difference"]
    for what in dict.fromkeys(row.what for row in rows):
        own = [row for row in rows if row.what == what]
        worst = max(own, key=lambda row: (not row.ok, row.error))
        verdict = "ok" if worst.ok else "FAIL"
        lines.append(
            f"{what:31} {len(own):5} {worst.error:10.2e} {worst.limit:10.2e}  {verdict:4} {worst.case}; {worst.cause}"
        )
    return "\n".join(lines)
