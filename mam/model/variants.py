"""The facts of every model variant, as data. Code asks a `Variant`; nothing else keeps a list of names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from mam.model.contract import InferencePolicy


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
class TinyViT:
    """MobileSAM's image encoder; the sizes of its four stages. The defaults are MobileSAM's.

    Source: ChaoningZhang/MobileSAM, mobile_sam/build_sam.py.
    """

    embed_dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (2, 4, 5, 10)
    window_sizes: tuple[int, ...] = (7, 7, 14, 7)


@dataclass(frozen=True)
class RepViT:
    """EdgeTAM's image encoder, by its name in timm; transformers' `EdgeTamModel` has the decoder that belongs to it.

    Source: the configuration that transformers' convert_edgetam_to_hf.py writes.
    """

    name: str = "repvit_m1.dist_in1k"


@dataclass(frozen=True)
class UNetM2M:
    """The Mask-to-Matte of `tiny`, which does not see SAM's embedding: channels at output strides 2, 4, 8 and 16."""

    widths: tuple[int, int, int, int] = (24, 64, 128, 192)


@dataclass(frozen=True)
class M2M:
    """Widths of the Mask-to-Matte network. The defaults are the authors' (2,714,619 parameters)."""

    os8: int = 128
    os4: int = 64
    os2: int = 32
    head: int = 32


@dataclass(frozen=True)
class SamM2M:
    """SAM and Mask-to-Matte: with a ViT and `M2M`, the paper's networks; `high_res` as of `Tiny`, of SAM 2 alone."""

    encoder: ViT | TinyViT | RepViT
    decoder_mlp: int = 2048
    m2m: M2M | UNetM2M = M2M()
    high_res: tuple[int, ...] = ()


@dataclass(frozen=True)
class SematSizes:
    """Sizes of SEMat, which has one graph of its own and no `Variant`; the defaults are the authors' `SEMat_SAM`.

    Attributes:
        encoder: SAM's image encoder.
        decoder_mlp: as in `SamM2M`.
        rank: the rank of LoRA's matrices.
        widths: channels of the decoder of details at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    """

    encoder: ViT = ViT(1024, 24, 16, (5, 11, 17, 23))
    decoder_mlp: int = 2048
    rank: int = 16
    widths: tuple[int, int, int, int] = (32, 64, 128, 256)


SEMAT = SematSizes()


@dataclass(frozen=True)
class Tiny:
    """Sizes of the networks of `mam.nets.tiny`.

    Attributes:
        backbone: the image encoder's, "lite0" or "lite2" (EfficientNet-Lite).
        read_side: pixels at which the image encoder reads the input frame: 256, 384 or 512.
        high_res: channels of `high_res_feats_0` and `high_res_feats_1`.
        decoder: channels of the mask decoder at 64, 32 and 16 cells per side.
        matte: channels of Mask-to-Matte, as of `UNetM2M`.
    """

    backbone: str = "lite0"
    read_side: int = 256
    high_res: tuple[int, int] = (16, 32)
    decoder: tuple[int, int, int] = (64, 128, 192)
    matte: tuple[int, int, int, int] = UNetM2M().widths


@dataclass(frozen=True)
class Variant:
    """The facts of one model.

    Attributes:
        name: the variant's name.
        networks: their sizes.
        policy: how inference uses them.
        checkpoints: names in `mam.weights` of the files of SAM and of Mask-to-Matte.
        m2m_of: the variant that its Mask-to-Matte is taken from; empty if it has its own.
        licence: the weights' licence.
        best_at: what it is best at, a key of `BEST_AT`.
    """

    name: str
    networks: SamM2M | Tiny
    policy: InferencePolicy = field(default_factory=InferencePolicy)
    checkpoints: tuple[str, ...] = ()
    m2m_of: str = ""
    licence: str = ""
    best_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the variant as plain JSON-able values, to travel inside a checkpoint."""
        return {**dataclasses.asdict(self), "kind": type(self.networks).__name__}


BEST_AT = {
    "": "",
    "speed": "whole objects, at once",
    "parts": "any part that is clicked",
    "precision": "any part, in detail; slow without a GPU",
}
"""What models are best at; the page has a translation of each under `best_` and the key."""

_SAM_WEIGHTS = "Meta's SAM (Apache-2.0) and the authors' M2M (MIT; trained on data that is partly research-only)"

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "tiny",
            Tiny(),
            policy=InferencePolicy(crop_margin=0.2, multimask=False, main_object=True),
            licence="MIT code; weights for research and demonstration, see mam/bundle/README.md",
            best_at="speed",
        ),
        Variant(
            "mobile_sam",
            SamM2M(TinyViT(), m2m=UNetM2M()),
            policy=InferencePolicy(crop_margin=0.2),  # its Mask-to-Matte was trained on such crops
            checkpoints=("mobile_sam.pt",),
            m2m_of="tiny",
            licence="MobileSAM (Apache-2.0) and the Mask-to-Matte of `tiny`, see mam/bundle/README.md",
            best_at="parts",
        ),
        Variant(
            "edgetam",
            SamM2M(RepViT(), m2m=UNetM2M(), high_res=(32, 64)),
            policy=InferencePolicy(crop_margin=0.2, sam2=True),
            checkpoints=("edgetam.safetensors",),
            m2m_of="tiny",
            licence="EdgeTAM (Apache-2.0) and the Mask-to-Matte of `tiny`, see mam/bundle/README.md",
            best_at="parts",
        ),
        Variant(
            "vit_b",
            SamM2M(ViT(768, 12, 12, (2, 5, 8, 11))),
            checkpoints=("sam_vit_b_01ec64.pth", "mam.pth"),
            licence=_SAM_WEIGHTS,
            best_at="precision",
        ),
        Variant(
            "vit_l",
            SamM2M(ViT(1024, 24, 16, (5, 11, 17, 23))),
            checkpoints=("sam_vit_l_0b3195.pth", "mam_vitl.pth"),
            licence=_SAM_WEIGHTS,
            best_at="precision",
        ),
        Variant(
            "vit_h",
            SamM2M(ViT(1280, 32, 16, (7, 15, 23, 31))),
            checkpoints=("sam_vit_h_4b8939.pth", "mam_vith.pth"),
            licence=_SAM_WEIGHTS,
            best_at="precision",
        ),
    )
}
