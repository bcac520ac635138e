"""Training runs as data for `mam train RECIPE`; a checkpoint holds the recipe that it was trained with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        variant: name of the network.
        stage: "segment" trains SAM's parts, "matte" trains M2M behind a frozen SAM.
        steps, batch, lr: batch counts images per process; a linear warm-up of `warmup` steps, then a cosine decay.
        betas, weight_decay: of AdamW.
        clip: upper limit of the gradient's norm; None limits it to twice its own moving average.
        data: "made" composes images from a folder of `mam.training.library`; "sets" reads folders of
            `mam.training.sets`.
        read_side: segment: pixels of a training image.
        only: segment: the one submodule that is trained, such as "evidence" (the mask refiner); None trains all.
        pooled: segment: share of the run in which the embedding is pooled by 2 before the decoder, so that a step takes
            half the time; fine edges are learnt at the end.
        cells, views: matte: side of a crop in cells of 16 pixels, and crops per image.
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

    def replace(self, **values: Any) -> Recipe:
        """Return a copy with some values replaced; None leaves a value as it is."""
        return dataclasses.replace(self, **{k: v for k, v in values.items() if v is not None})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, to be stored in a checkpoint."""
        return dataclasses.asdict(self)


# The paper's recipe (Li, Jain and Shi 2023, section 4.1), for 8 GPUs: `torchrun --nproc-per-node 8 -m mam train ...`.
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
    "tiny-refiner": Recipe("tiny", "segment", steps=1500, batch=4, lr=2e-3, warmup=50, only="evidence", pooled=0.4),
    "tiny-matte": Recipe("tiny", "matte", steps=1200, batch=2, lr=2e-3, warmup=100),
    "vit_b-matte": _PAPER,
    "vit_l-matte": _PAPER.replace(variant="vit_l"),
    "vit_h-matte": _PAPER.replace(variant="vit_h"),
}
