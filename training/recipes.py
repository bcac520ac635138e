"""Training runs as data for `python -m training train`; a checkpoint holds the recipe that it was trained with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        variant: name of the network.
        stage: "segment" trains image encoder and mask decoder, "matte" trains M2M behind them, frozen; "words" trains
            the head that finds objects by name.
        steps, batch, lr: batch counts images per process.
        warmup: steps of a linear warm-up.
        decay: share of the run, at its end, in which the rate falls to 1% along a cosine.
        backbone_lr: the rate of a pretrained backbone; None is `lr`.
        betas, weight_decay: parameters of AdamW.
        clip: upper limit of the gradient's norm; None limits it to twice its own moving average.
        average: the largest share of the averaged weights that a step keeps.
        data: "made" composes images from a folder of `training.library`; "sets" reads folders of
            `training.sets`.
        read_sides: segment: pixels of the training images, of one step after the other, over and over.
        coarse: segment: share of the run without the decoder's finest level, which is slow.
        edges: segment: how much pixels at edges and in thin parts weigh, as of `losses.edge_weights`.
        cells, views: matte: side of a crop in cells of 16 pixels, and crops per image.
        entropy: matte: weight of the cross entropy beside the paper's losses, for fast learning.
        seed: seeds all random choices.
    """

    variant: str
    stage: Literal["segment", "matte", "words"]
    steps: int
    batch: int
    lr: float
    warmup: int
    decay: float = 1.0
    backbone_lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float | None = 1.0
    average: float = 0.9995
    data: Literal["made", "sets"] = "made"
    read_sides: tuple[int, ...] = (256,)
    coarse: float = 0.0
    edges: float = 0.0
    cells: int = 20
    views: int = 6
    entropy: float = 0.0
    seed: int = 0

    def replace(self, **values: Any) -> Recipe:
        """Return a copy with some values replaced; None leaves a value as it is."""
        return dataclasses.replace(self, **{k: v for k, v in values.items() if v is not None})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, to be stored in a checkpoint."""
        return dataclasses.asdict(self)


# The paper's recipe (Li, Jain and Shi 2023, section 4.1): `torchrun --nproc-per-node 8 -m training train ...`, 8 GPUs.
_PAPER = Recipe(
    "vit_b",
    "matte",
    steps=20000,
    batch=10,
    lr=1e-3,
    warmup=4000,
    betas=(0.5, 0.99),
    clip=None,
    data="sets",
    cells=64,
    views=1,
)

RECIPES: dict[str, Recipe] = {
    "tiny-segment": Recipe(
        "tiny",
        "segment",
        steps=2000,
        batch=64,
        lr=8e-4,
        warmup=100,
        decay=0.3,
        backbone_lr=1.5e-4,
        weight_decay=0.02,
        clip=2.0,
        average=0.998,
        coarse=0.7,
    ),
    "tiny-matte": Recipe(
        "tiny",
        "matte",
        steps=1000,
        batch=12,
        lr=1e-3,
        warmup=60,
        backbone_lr=1.5e-4,
        average=0.996,
        cells=24,
        views=6,
        entropy=0.1,
    ),
    "tiny-words": Recipe("tiny", "words", steps=600, batch=8, lr=1e-3, warmup=20, weight_decay=0.02, average=0.99),
    "vit_b-matte": _PAPER,
    "vit_l-matte": _PAPER.replace(variant="vit_l"),
    "vit_h-matte": _PAPER.replace(variant="vit_h"),
}
