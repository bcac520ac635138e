"""Choose the networks of a variant: the paper's, or `mam.nets.tiny` in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mam.model.variants import RepViT, SamM2M, UNetM2M, Variant
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import Sam
from mam.nets.tiny.matte import MatteUNet
from mam.nets.tiny.segmenter import Segmenter

if TYPE_CHECKING:
    from mam.nets.edgetam import EdgeTam


def build_sam(variant: Variant) -> Sam | EdgeTam | Segmenter:
    """Build SAM, or what a variant has in its place, with random weights."""
    if isinstance(variant.networks, SamM2M) and isinstance(variant.networks.encoder, RepViT):
        from mam.nets.edgetam import EdgeTam  # needs transformers and timm, which the others do not

        return EdgeTam(variant.networks.encoder)
    if isinstance(variant.networks, SamM2M):
        return Sam(variant.networks, variant.policy.multimask)
    return Segmenter(variant.networks)


def build_m2m(variant: Variant) -> MaskToMatte | MatteUNet:
    """Build the variant's Mask-to-Matte network with random weights."""
    if not isinstance(variant.networks, SamM2M):
        return MatteUNet(variant.networks.matte)
    config = variant.networks.m2m
    return MatteUNet(config.widths) if isinstance(config, UNetM2M) else MaskToMatte(config)
