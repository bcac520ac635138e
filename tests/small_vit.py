"""A small random SAM of Meta's layout instead of `vit_b`, and a folder instead of the download servers."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from mam import weights
from mam.model import folders, variants
from mam.model.variants import M2M, SamM2M, Variant, ViT
from mam.nets import checkpoint
from mam.nets.m2m import SpectralNorm
from mam.nets.mam import MattingAnything

SMALL = dataclasses.replace(
    variants.VARIANTS["vit_b"],
    networks=SamM2M(ViT(32, 2, 2, (1,)), decoder_mlp=32, m2m=M2M(os8=12, os4=8, os2=8, head=8)),
)


def build_distinct(variant: Variant, seed: int = 0) -> MattingAnything:
    """A random model in which, as in a trained one, no two tensors are equal and spectral norms have converged."""
    model = checkpoint.build_seeded(variant, seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.7, 1.3)
            elif tensor.ndim == 1 and "weight_" not in name and tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn(tensor.shape))
    for layer in model.modules():
        if isinstance(layer, SpectralNorm):
            for _ in range(20):
                layer.train().weight()
            layer.eval()
    return model


def write_mirror(folder: Path) -> None:
    """The two checkpoints of `vit_b`: Meta's layout, and Mask-to-Matte as it was cut out of the authors' file."""
    model = build_distinct(SMALL)
    for name, net in zip(SMALL.checkpoints, (model.sam, model.m2m), strict=True):
        torch.save(net.state_dict(), folder / name)


def publish(patch: pytest.MonkeyPatch, mirror: Path, templates: Path) -> None:
    """Make `vit_b` the small model, and the files of the mirror the published ones."""
    patch.setitem(variants.VARIANTS, "vit_b", SMALL)
    patch.setattr(folders, "TEMPLATES", templates)
    for name in SMALL.checkpoints:
        data = (mirror / name).read_bytes()
        facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        patch.setitem(weights.REGISTRY, name, dataclasses.replace(weights.REGISTRY[name], **facts))
