"""The facts of every model variant, as data. Code asks a `Variant`; nothing else keeps a list of names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from mam.contract import InferencePolicy


@dataclass(frozen=True)
class ViT:
    """SAM's image encoder, a plain vision transformer.

    Source: segment_anything/build_sam.py.
    """

    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]


@dataclass(frozen=True)
class CNN:
    """Our small image encoder (`mam.nets.encoder`): channels and blocks at strides 4, 8 and 16 of the image it reads.

    It reads the input frame downsampled by `shrink`, so that 1024 pixels become 1024 / shrink.
    """

    shrink: int = 4
    widths: tuple[int, int, int] = (48, 96, 192)
    depths: tuple[int, int, int] = (2, 3, 6)
    attention_every: int = 2
    pyramid: int = 128


@dataclass(frozen=True)
class Evidence:
    """Configuration of the mask refiner of `tiny` (`mam.nets.evidence`).

    Attributes:
        rounds: refinement iterations.
        side: bins along each side of the image.
        bins: for each kind of histogram bin, the weights of colour and of position.
        widths: channels of the convolutions.
        trusted: without a box, the predicted IoU up to which a mask is kept and from which it is refined in full.
        share: the share of a correction that is applied; below 1 because training degrades the masks.
        box_bins: the kind of bin for the colours inside and outside a box.
        box_separation: the inside/outside separation (0 to 2) from which a box's colours count, and count in full.
        box_influence: the most that a box's colours add to a logit.
        recount: the most that colours estimated again from the mask add to a logit, and the most they subtract.
    """

    rounds: int = 2
    side: int = 8
    bins: tuple[tuple[float, float], ...] = ((5.0, 0.5), (4.0, 1.5), (3.0, 2.5), (2.0, 3.5))
    widths: tuple[int, int, int] = (24, 32, 48)
    trusted: tuple[float, float] = (0.45, 0.65)
    share: float = 0.5
    box_bins: tuple[float, float] = (12.0, 0.5)
    box_separation: tuple[float, float] = (0.8, 1.2)
    box_influence: float = 4.0
    recount: tuple[float, float] = (6.0, 1.5)


@dataclass(frozen=True)
class M2M:
    """Widths of the Mask-to-Matte network. The defaults are the authors' (2,714,619 parameters).

    `embedding` below 256 puts a 1x1 convolution in front that narrows the image embedding first; `cues` gives
    every scale SAM's confidence in its mask and colour cues for the alpha (`mam.nets.colour_line`,
    `mam.nets.likeness`), and os1 the full-resolution image.
    """

    embedding: int = 256
    os8: int = 128
    os4: int = 64
    os2: int = 32
    head: int = 32
    cues: bool = False


@dataclass(frozen=True)
class Variant:
    """The facts of one model: networks, inference policy, checkpoints (names in `mam.weights`) and licence."""

    name: str
    encoder: ViT | CNN
    decoder_mlp: int = 2048
    evidence: Evidence | None = None
    m2m: M2M = M2M()
    policy: InferencePolicy = field(default_factory=InferencePolicy)
    checkpoints: tuple[str, ...] = ()
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the variant as plain JSON-able values, to travel inside a checkpoint."""
        return {**dataclasses.asdict(self), "kind": type(self.encoder).__name__}


_SAM_WEIGHTS = "Meta's SAM (Apache-2.0) and the authors' M2M (MIT; trained on data that is partly research-only)"

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "tiny",
            CNN(),
            decoder_mlp=256,
            evidence=Evidence(),
            m2m=M2M(embedding=32, os8=32, os4=24, os2=16, head=16, cues=True),
            policy=InferencePolicy(crop_margin=0.2, multimask=False),
            licence="MIT code; weights for research and demonstration, see mam/bundle/README.md",
        ),
        Variant(
            "vit_b",
            ViT(768, 12, 12, (2, 5, 8, 11)),
            checkpoints=("sam_vit_b_01ec64.pth", "mam.pth"),
            licence=_SAM_WEIGHTS,
        ),
        Variant(
            "vit_l",
            ViT(1024, 24, 16, (5, 11, 17, 23)),
            checkpoints=("sam_vit_l_0b3195.pth", "mam_vitl.pth"),
            licence=_SAM_WEIGHTS,
        ),
        Variant(
            "vit_h",
            ViT(1280, 32, 16, (7, 15, 23, 31)),
            checkpoints=("sam_vit_h_4b8939.pth", "mam_vith.pth"),
            licence=_SAM_WEIGHTS,
        ),
    )
}
