"""Finished images that shops, networks and offices ask for, by name."""

from __future__ import annotations

from mam.compose.composition import Style
from mam.compose.placement import Placement

PRESETS = {
    "square": Style("white", placement=Placement(size=(2000, 2000), fill=0.85)),
    "portrait": Style("white", placement=Placement(size=(1350, 1080), fill=0.85)),  # 4:5
    "story": Style("white", placement=Placement(size=(1920, 1080), fill=0.85)),  # 9:16
    # 35 x 45 mm at 600 dpi. The chin is a little below the narrowest row, so that the head is about 65% of the height.
    "passport": Style("#f4f4f4", placement=Placement(size=(1063, 827), fill=0.55, position=(0.5, 0.25), part="head")),
    "sticker": Style(outline=16, placement=Placement(size=(512, 512), fill=0.9, position=(0.5, 0.5))),
}
"""Sizes are (H, W) in pixels; another background may replace the preset's."""
SHAPES = {
    "shape_photo": Style(),
    "shape_square": Style(placement=Placement(1.0)),
    "shape_portrait": Style(placement=Placement(4 / 5)),
    "shape_story": Style(placement=Placement(9 / 16)),
    "shape_wide": Style(placement=Placement(16 / 9)),
    **{f"preset_{name}": style for name, style in PRESETS.items()},
}
"""The shapes that page and site offer: the photo's own, aspect ratios and presets, by the keys of their texts."""
