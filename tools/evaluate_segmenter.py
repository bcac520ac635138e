"""Measure the masks of a training run of `mam.nets.tiny`, before its networks are exported.

    python -m tools.evaluate_segmenter OUT/start DATA                       # one box per object
    python -m tools.evaluate_segmenter OUT/start DATA --rounds click+click  # simulated users
    python -m tools.evaluate_segmenter OUT/start DATA --no-prompt           # the main object of each image

OUT/start is what `mam.training.run_tiny` writes; DATA has the layout `segments` of `mam evaluate`, with the same crops,
prompts and metrics. Add `--coarse` until training includes the decoder's finest level.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from mam import Matting
from mam.cli.evaluate import parse_rounds
from mam.contract import MASK_SIDE, InferencePolicy
from mam.decoding import full_size
from mam.evaluation.benchmarks import LAYOUTS, Case, read_cases
from mam.evaluation.metrics import iou
from mam.evaluation.report import table
from mam.evaluation.results import Row
from mam.evaluation.run import evaluate, interact
from mam.frames import Frame
from mam.training.interactive import Segmenter
from mam.training.run_tiny import load_start


@dataclass(frozen=True)
class Features:
    """The encoder's three outputs, in place of the embeddings."""

    values: tuple[torch.Tensor, ...]

    def numpy(self) -> np.ndarray:
        """Return the coarsest output alone."""
        return self.values[0].numpy()


@dataclass(frozen=True)
class SegmenterGraphs:
    """A `mam.runtime.Graphs` that computes masks with torch; its mattes are the masks.

    Attributes:
        net: in eval mode.
        coarse: leave out the decoder's finest level.
    """

    net: Segmenter
    coarse: bool

    variant, folder, provider, note = "tiny in training", Path(), "torch", ""
    policy = InferencePolicy(crop_margin=0.2, multimask=False)

    @torch.inference_mode()
    def encode(self, image: np.ndarray, /) -> Features:
        """See `Graphs.encode`."""
        return Features(self.net.image_encoder(torch.from_numpy(image)))

    @torch.inference_mode()
    def decode(
        self,
        features: Features,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Graphs.decode`."""
        prompts = map(torch.from_numpy, (point_coords, point_labels, mask_input, has_mask_input))
        masks, scores = self.net.mask_decoder(*features.values, *prompts, coarse=self.coarse)
        if self.coarse:
            masks = torch.nn.functional.interpolate(masks, (MASK_SIDE, MASK_SIDE), mode="bilinear")
        return masks.numpy(), scores.numpy()

    def matte(
        self,
        image: np.ndarray,
        features: Features,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """See `Graphs.matte`."""
        frame = Frame(original_size, input_size)
        return np.stack([[full_size(logits[0], frame) > 0] for logits in mask_logits]).astype(np.float32)


def main() -> None:
    """Print the means by source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=parse_rounds, metavar="FIRST+THEN")
    parser.add_argument("--no-prompt", action="store_true")
    parser.add_argument("--coarse", action="store_true")
    parser.add_argument("--sources", nargs="+", help="only names that begin with one of these")
    arguments = parser.parse_args()

    net = Segmenter().eval()
    print(f"step {load_start(net, arguments.start)}")
    matting, layout = Matting(SegmenterGraphs(net, arguments.coarse)), LAYOUTS["segments"]
    cases = read_cases("segments", arguments.data)
    if arguments.sources:
        cases = [case for case in cases if case.name.startswith(tuple(arguments.sources))]
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.no_prompt:
            work = find_main_objects(matting, cases)
        elif arguments.rounds:
            work = interact(matting, cases, layout, *arguments.rounds, Path(scratch))
        else:
            work = evaluate(matting, cases, layout, "box", Path(scratch))
        rows = [row for rows in tqdm(work, total=len(cases), unit="object") for row in rows]
    print(table(rows, by_source=True))


def find_main_objects(matting: Matting, cases: list[Case]) -> Iterator[list[Row]]:
    """Compare the answer to a prompt of one padding point with the union of an image's objects."""
    padding = np.zeros((1, 1, 2), np.float32), np.full((1, 1), -1, np.float32)
    no_mask = np.zeros((1, 1, MASK_SIDE, MASK_SIDE), np.float32), np.zeros(1, np.float32)
    for image in dict.fromkeys(case.image for case in cases):
        own = [case for case in cases if case.image == image]
        whole = matting.open(image).whole
        masks, _ = matting.graphs.decode(whole.image_embeddings, *padding, *no_mask)
        truth = np.max([case.read_truth() for case in own], axis=0) > 0.5
        found = iou(full_size(masks[0, 0], whole.frame) > 0, truth)
        yield [Row(own[0].name, "no prompt", 1, found, *[float("nan")] * 12)]


if __name__ == "__main__":
    main()
