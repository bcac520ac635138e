"""How far the answers of exported graphs may be from torch's, with the causes, and the size of a graph's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limit:
    """How far a comparison may be off.

    Attributes:
        value: the largest error that passes.
        cause: the cause of the difference.
    """

    value: float
    cause: str


# docs/benchmarks.md has the command and the worst cases on the embedded model: seven photographs in three sizes, four
# prompts, both guidances, 168 mattes. The rest is margin for other processors, which sum in another order.
_ROUNDING = "float32 sums in another order, relative to the largest value"
_FLIP = "a logit within rounding of 0, or an alpha of 1/255 or 254/255, may fall to the other side of its threshold"
_NO_FLIP = "away from such pixels only rounding and resizing are left"
LIMITS = {
    "image_encoder": Limit(1e-5, _ROUNDING),
    "mask_decoder": Limit(1e-4, _ROUNDING),
    "matte: share beyond 1/255": Limit(1e-4, _FLIP),
    "matte: largest, decided pixels": Limit(1e-4, _NO_FLIP),
    "chain: share beyond 1/255": Limit(1e-4, _FLIP),
    "chain: largest, decided pixels": Limit(2e-4, _NO_FLIP),
    # Nearly all of it is around alphas within 3e-5 of 1/255 or 254/255, as soft fur has many.
    "chain: share undecided": Limit(1 / 3, "pixels that the line above excludes: 15 x 15 around each such alpha"),
    "chain: share with an empty mask": Limit(0.0, "an empty mask compares nothing"),
}

_MEAN = "mean difference of alpha from float32"
OF_PRECISION: dict[str, dict[str, float]] = {
    "float32": {what: limit.value for what, limit in LIMITS.items()},
    # Measured on one photograph: 5.7e-5, 0 and 9.1e-3; the rest is margin for other processors. A wrong scale or a
    # lost layer gives 0.1.
    "fp16": {_MEAN: 1e-3},
    "fp16_weights": {_MEAN: 6e-6},
    "int8": {_MEAN: 0.025},
}
"""The same as numbers, by precision; `export check` and `pytest tests/export` hold to them."""


def graph_bytes(path: Path) -> int:
    """Bytes of a graph's file, and of the weights beside it, if there are any."""
    data = path.with_name(f"{path.name}.data")
    return path.stat().st_size + (data.stat().st_size if data.exists() else 0)
