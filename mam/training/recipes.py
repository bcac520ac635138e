"""How each network is trained, as data: `python -m mam train RECIPE`. A checkpoint carries the recipe it was made by."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        variant: name of the network.
        stage: "segment" trains SAM's parts, "matte" trains M2M behind a frozen SAM.
        steps, batch, lr: batch counts pictures per process; the rate goes up for `warmup` steps, then down as a cosine.
        betas, weight_decay: of AdamW.
        clip: the gradient's norm is held below it; None holds it below twice its own moving average.
        data: "made" composes what `mam.training.data` describes; "sets" reads the folders of `mam.training.sets`.
        read_side: segment: pixels of a training picture.
        only: segment: the one part that learns, such as "evidence"; the others stay as they are. None: all learn.
        pooled: segment: for this share of the run the decoder gets the embedding pooled by 2, which makes a step twice as
            fast; fine edges come last.
        cells, views: matte: side of a crop in cells of 16 pixels, and crops per picture.
        seed: of all randomness.
    """

    variant: str
    stage: Literal["segment", "matte"]
    steps: int
    batch: int
    lr: float
    warmup: int
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0
    clip: float | None = 1.0
    data: Literal["made", "sets"] = "made"
    read_side: int = 256
    only: str | None = None
    pooled: float = 0.55
    cells: int = 20
    views: int = 6
    seed: int = 0

    def changed(self, **values: object) -> Recipe:
        """The recipe with some values replaced; those that are None stay."""
        return dataclasses.replace(self, **{k: v for k, v in values.items() if v is not None})

    def to_dict(self) -> dict:
        """Plain values, to travel inside a checkpoint."""
        return dataclasses.asdict(self)


# The paper's: Li, Jain and Shi 2023, section 4.1, on 8 GPUs: `torchrun --nproc-per-node 8 -m mam train vit_b-matte ...`.
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
    "tiny-segment": Recipe("tiny", "segment", steps=1800, batch=4, lr=6e-4, warmup=200, weight_decay=0.05),
    "tiny-mend": Recipe("tiny", "segment", steps=1500, batch=4, lr=2e-3, warmup=50, only="evidence", pooled=0.4),
    "tiny-matte": Recipe("tiny", "matte", steps=1200, batch=2, lr=2e-3, warmup=100),
    "vit_b-matte": _PAPER,
    "vit_l-matte": _PAPER.changed(variant="vit_l"),
    "vit_h-matte": _PAPER.changed(variant="vit_h"),
}
