"""How far the answers of exported graphs may be from torch's, with the causes, and the size of a graph's files."""

from __future__ import annotations

from pathlib import Path

# docs/benchmarks.md has the command and the worst cases on the embedded model: seven photographs in three sizes, four
# prompts, both guidances, 168 mattes. The rest is margin for other processors, which sum in another order.
_ROUNDING = "float32 sums in another order, relative to the largest value"
_FLIP = "a logit within rounding of 0, or an alpha of 1/255 or 254/255, may fall to the other side of its threshold"
_NO_FLIP = "away from such pixels only rounding and resizing are left"
LIMITS: dict[str, tuple[float, str]] = {
    "image_encoder": (1e-5, _ROUNDING),
    "mask_decoder": (1e-4, _ROUNDING),
    "matte: share beyond 1/255": (1e-4, _FLIP),
    "matte: largest, decided pixels": (1e-4, _NO_FLIP),
    "chain: share beyond 1/255": (1e-4, _FLIP),
    "chain: largest, decided pixels": (2e-4, _NO_FLIP),
    # Nearly all of it is around alphas within 3e-5 of 1/255 or 254/255, as soft fur has many.
    "chain: share undecided": (1 / 3, "pixels that the line above excludes: 15 x 15 around each such alpha"),
    "chain: share with an empty mask": (0.0, "an empty mask compares nothing"),
}
"""By what is compared: the largest error that passes, and the cause of the difference."""

_MEAN = "mean difference of alpha from float32"
OF_PRECISION: dict[str, dict[str, float]] = {
    "float32": {what: limit for what, (limit, _) in LIMITS.items()},
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
