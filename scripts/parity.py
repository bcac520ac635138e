r"""Compare our networks with the authors' own code on the same weights, images and boxes; see docs/parity.md.

    python -m scripts.parity --authors Matting-Anything --variant vit_b \
        --checkpoint sam_vit_b_01ec64.pth mam_vitb.pth --ppm100 PPM-100 --rwp636 RealWorldPortrait-636

Run it from the repository's root. The authors' code is imported from the folder it was cloned to and runs unchanged:
their preprocessing, their networks, their refinement. Both sides run on the CPU in float32.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from export.parity import Difference, summary
from export.torch_graphs import TorchGraphs
from mam import weights
from mam.errors import MamError
from mam.images import open_photo
from mam.images.boxes import full_box
from mam.matting import Matting
from mam.model.frames import Frame, normalise, resize_to_input
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.mam import MattingAnything
from training.evaluation import report, run
from training.evaluation.benchmarks import LAYOUTS, read_cases
from training.evaluation.results import Results

_EXAMPLES = Path(__file__).resolve().parents[1] / "demo" / "examples"
_SUMS = "float32 sums in another order, relative to the largest value"
_FLIP = "a value within rounding of a threshold may fall to its other side"
_LEVELS = "both cut to whole levels of 255; " + _FLIP


def main(argv: Sequence[str] | None = None) -> int:
    """Print the differences per stage, then the benchmark metrics of both; 0 if all are within their limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--authors", type=Path, required=True, help="folder of github.com/SHI-Labs/Matting-Anything")
    parser.add_argument("--variant", choices=sorted(VARIANTS.keys() - {"tiny"}), default="vit_b")
    parser.add_argument(
        "--checkpoint", type=Path, nargs="+", required=True, help="files that together hold SAM and M2M"
    )
    parser.add_argument("--images", type=Path, nargs="+", default=[_EXAMPLES / "flower.jpg", _EXAMPLES / "cat.png"])
    parser.add_argument("--ppm100", type=Path, help="compare on this benchmark too")
    parser.add_argument("--rwp636", type=Path, help="and on this one")
    parser.add_argument(
        "--out", type=Path, default=Path("parity"), help="mattes and rows of the benchmarks (default: parity)"
    )
    arguments = parser.parse_args(argv)
    try:
        ours = checkpoint.load(VARIANTS[arguments.variant], *arguments.checkpoint)
        authors = Authors.load(arguments.authors, ours)
        rows = [row for path in arguments.images for row in compare(ours, authors, path)]
        print(summary(rows))
        out = arguments.out / weights.sha256(*arguments.checkpoint)[:8]  # another model's rows would count as done
        for layout in ("ppm100", "rwp636"):
            if folder := getattr(arguments, layout):
                print(benchmark(layout, folder, {"ours": Matting(TorchGraphs(ours)), "authors": authors}, out))
    except MamError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 1
    return 0 if all(row.ok for row in rows) else 1


@dataclass(frozen=True)
class Stages:
    """Intermediate tensors of the authors' network for one image and box, in the layout of `mam.model.contract`.

    Attributes:
        image: (1, 3, 1024, 1024), normalised and padded.
        embeddings: (1, 256, 64, 64).
        masks: (1, 3, 256, 256) logits, SAM's masks 1..3.
        scores: (1, 3), their predicted IoU.
        mask: (1, 1, 256, 256) 0 or 1, the chosen mask.
        post_mask: (1, 1, H, W) 0 or 1, the same in the original frame.
        alphas: (3, 1024, 1024), os8, os4, os1.
    """

    image: Tensor
    embeddings: Tensor
    masks: Tensor
    scores: Tensor
    mask: Tensor
    post_mask: Tensor
    alphas: Tensor


class Authors:
    """The authors' code with our weights, with the part of `mam.Matting` that `training.evaluation.run` uses.

    Args:
        network: their `sam_m2m`.
        script: their inference script, as a module.
    """

    def __init__(self, network: Any, script: ModuleType) -> None:
        self.network, self.script = network, script
        self.stages: Stages  # after `alpha`
        self._recorded: dict[str, Tensor] = {}
        network.seg_model.mask_decoder.register_forward_hook(self._record_decoder)
        network.m2m.register_forward_hook(self._record_m2m)
        self._inference = network.forward_inference
        network.forward_inference = self._record_inference

    @classmethod
    def load(cls, clone: Path, ours: MattingAnything) -> Authors:
        """Import their code and give it our weights, which have the same names.

        Raises:
            MamError: not a clone, or something that their networks or their refinement need is not installed.
        """
        script = next(
            (name for name in ("inference_mam", "inference_benchmark") if (clone / f"{name}.py").is_file()), None
        )
        if script is None or not (clone / "networks").is_dir():
            raise MamError(
                f"{clone} is no clone of SHI-Labs/Matting-Anything: run git clone https://github.com/SHI-Labs/Matting-Anything."
            )
        # Their paths are relative to the clone; a folder that is not there does no harm.
        sys.path[:0] = [str(clone.resolve()), str((clone / "segment-anything").resolve())]
        generator = _import("networks.generator_m2m")
        # Their registry would read Meta's file from a fixed place; the weights come from ours.
        for name, build in list(generator.sam_model_registry.items()):
            generator.sam_model_registry[name] = lambda checkpoint=None, build=build: build()
        wanted = {
            "seg": f"sam_{ours.variant.name}",
            "m2m": "sam_decoder_deep",
        }  # early versions know ViT-B only and no `seg`
        takes = inspect.signature(generator.sam_m2m).parameters
        network = generator.sam_m2m(**{name: value for name, value in wanted.items() if name in takes}).eval()
        network.seg_model.load_state_dict(ours.sam.state_dict())
        network.m2m.load_state_dict(ours.m2m.state_dict())
        return cls(network, _import(script))

    @torch.no_grad()
    def alpha(self, pixels: np.ndarray, box: Sequence[float], guidance: str) -> np.ndarray | None:
        """(H, W, 3) uint8 and a box in pixels -> (H, W) uint8 alpha by their script, None where their mask is empty.

        The intermediate tensors are in `stages` afterwards.
        """
        settings = {"prompt": "box", "sam": False, "twoside": False, "os8_width": 10, "os4_width": 20, "os1_width": 10}
        alpha_guide = guidance == "alpha"  # called --postprocess in early versions
        args = SimpleNamespace(**settings, maskguide=not alpha_guide, alphaguide=alpha_guide, postprocess=alpha_guide)
        frame = Frame.of(full_box(pixels.shape[:2]))
        on_cpu = patch.object(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor)  # their `.cuda()` changes nothing
        with tempfile.TemporaryDirectory() as folder, on_cpu:
            image, truth = f"{folder}/image.png", f"{folder}/truth.png"
            Image.fromarray(pixels).save(image, compress_level=0)
            Image.new("L", pixels.shape[1::-1], 255).save(truth)
            sample = self.script.generator_tensor_dict(image, truth, args)
            # Their box is made from the truth and ends on its last pixel; here both sides get the very same box.
            sample["bbox"] = torch.from_numpy(frame.to_input(np.reshape(box, (2, 2)))).reshape(1, 1, 4)
            try:
                levels = self.script.single_ms_inference(self.network, sample, args)
            except ValueError:
                if self.stages.post_mask.any():
                    raise
                return None  # they compute the box of an empty mask
        return levels.reshape(pixels.shape[:2])

    def open(self, path: Path) -> SimpleNamespace:
        """As `mam.Matting.open`, with what `training.evaluation.run` takes from a scene and its mattes."""
        pixels = open_photo(path).pixels

        def matte(box: Sequence[float], guidance: str) -> SimpleNamespace | None:
            levels = self.alpha(pixels, box, guidance)
            if levels is None:
                return None
            mask = self.stages.post_mask[0, 0].numpy() > 0
            return SimpleNamespace(alpha_uint8=lambda: levels, mask=mask, score=float("nan"))  # which they do not keep

        return SimpleNamespace(matte=matte)

    def _record_decoder(self, module: nn.Module, inputs: object, outputs: tuple[Tensor, Tensor]) -> None:
        # Cloned, because they overwrite the masks.
        self._recorded["masks"], self._recorded["scores"] = (tensor.clone() for tensor in outputs)

    def _record_m2m(self, module: nn.Module, inputs: tuple[Tensor, Tensor, Tensor], outputs: object) -> None:
        self._recorded["mask"] = inputs[2].clone()

    def _record_inference(self, sample: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        embeddings, alphas, post_mask = self._inference(sample)
        stacked = torch.cat([alphas[f"alpha_{name}"][0] for name in ("os8", "os4", "os1")])
        self.stages = Stages(sample["image"], embeddings, **self._recorded, post_mask=post_mask.clone(), alphas=stacked)
        return embeddings, alphas, post_mask


def _import(name: str) -> ModuleType:
    """Import a module of the authors; packages that the comparison never calls need not be installed.

    Raises:
        MamError: OpenCV is missing, which their refinement does call, or something that is installed does not load.
    """
    while True:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if missing in (name, "cv2", *sys.modules):
                raise MamError(
                    f"the authors' {name} needs {missing}; for cv2: pip install opencv-python-headless."
                ) from error
            stand_in = MagicMock()
            if (
                missing == "torchvision.transforms.functional"
            ):  # called to resize images: what torchvision does with Pillow's
                stand_in.to_pil_image = Image.fromarray
                stand_in.resize = lambda image, size: image.resize(size[::-1], Image.Resampling.BILINEAR)
            sys.modules[missing] = stand_in
            if "." not in missing:
                print(f"parity: {missing} is not installed; a stand-in takes its place", file=sys.stderr)
        except (ImportError, RuntimeError) as error:  # such as a torchvision that was built for another torch
            raise MamError(f"the authors' {name} cannot be imported ({error}).") from error


@torch.no_grad()
def compare(ours: MattingAnything, authors: Authors, path: Path) -> Iterator[Difference]:
    """Differences on one image, stage by stage, for a box in its centre."""
    pixels = open_photo(path).pixels
    h, w = pixels.shape[:2]
    frame, box = Frame.of(full_box((h, w))), (round(0.2 * w), round(0.1 * h), round(0.85 * w), round(0.95 * h))
    for guidance in ("alpha", "mask"):
        case = f"{path.stem} {h}x{w} {guidance}"
        levels, theirs = authors.alpha(pixels, box, guidance), authors.stages
        image = torch.from_numpy(normalise(resize_to_input(pixels, frame)))
        yield Difference(
            "image in the input frame", case, _largest(image, theirs.image), 1e-5, "normalised in another order"
        )
        embeddings = ours.sam.image_encoder(image)
        yield Difference("SAM: embedding", case, _relative(embeddings, theirs.embeddings), 1e-4, _SUMS)
        corners = torch.from_numpy(frame.to_input(np.reshape(box, (1, 2, 2))))
        none, no = torch.zeros(1, 1, 256, 256), torch.zeros(1)
        masks, scores = ours.sam.predict_masks(embeddings, corners, torch.tensor([[2.0, 3.0]]), none, no)
        yield Difference("SAM: masks 1..3, logits", case, _relative(masks[:, 1:], theirs.masks), 1e-4, _SUMS)
        yield Difference("SAM: their scores", case, _largest(scores[:, 1:], theirs.scores), 1e-4, _SUMS)
        alphas = ours.m2m(theirs.embeddings, image, theirs.mask)
        for name, got, expected in zip(("os8", "os4", "os1"), alphas, theirs.alphas, strict=True):
            yield Difference(
                f"M2M on their mask: {name}", case, _largest(got, expected), 1e-4, "float32 sums in another order"
            )
        sizes = torch.tensor(frame.input_size), torch.tensor(frame.original_size)
        chosen = ours.sam.select_single_mask(masks, scores)
        logits, _ = ours.predict_alphas(image, embeddings, chosen, *sizes)
        differs = (logits > 0) != (theirs.post_mask > 0)
        yield Difference("mask at full size: share", case, float(differs.float().mean()), 1e-4, _FLIP)
        alpha = ours.matte(image, embeddings, chosen, *sizes, torch.tensor(guidance == "mask"))
        expected = np.zeros((h, w)) if levels is None else levels.astype(float)
        apart = np.abs(np.floor(255 * alpha[0, 0].numpy()) - expected) > 1
        yield Difference("alpha: share over one level", case, float(apart.mean()), 1e-3, _LEVELS)


def benchmark(layout: str, folder: Path, sides: dict[str, Any], out: Path) -> str:
    """Return the metrics of `python -m training evaluate --prompt box` for both sides, on the same cases, as text."""
    cases = read_cases(layout, folder)
    tables = []
    for name, side in sides.items():
        for _ in run.evaluate(side, cases, LAYOUTS[layout], "box", out / f"{layout}-{name}"):
            pass
        rows = Results(out / f"{layout}-{name}" / "results.csv").rows
        tables.append(f"{layout}, {name}\n{report.table(rows, by_source=False)}")
    return "\n".join(tables)


def _largest(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max())


def _relative(got: Tensor, expected: Tensor) -> float:
    return _largest(got, expected) / float(expected.abs().max())


if __name__ == "__main__":
    sys.exit(main())
