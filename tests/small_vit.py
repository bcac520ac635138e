"""A small random SAM of Meta's layout instead of `vit_b`, and a folder instead of the download servers."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from mam import folders, variants, weights
from mam.nets import checkpoint
from mam.variants import M2M, SamM2M, ViT

SMALL = dataclasses.replace(
    variants.VARIANTS["vit_b"],
    networks=SamM2M(ViT(32, 2, 2, (1,)), decoder_mlp=32, m2m=M2M(os8=12, os4=8, os2=8, head=8)),
)


def write_mirror(folder: Path) -> None:
    """The two checkpoints of `vit_b`: Meta's layout, and Mask-to-Matte as it was cut out of the authors' file."""
    model = checkpoint.build_seeded(SMALL, 0)
    for name, net in zip(SMALL.checkpoints, (model.sam, model.m2m), strict=True):
        torch.save(net.state_dict(), folder / name)


def publish(patch: pytest.MonkeyPatch, mirror: Path, skeletons: Path) -> None:
    """Make `vit_b` the small model, and the files of the mirror the published ones."""
    patch.setitem(variants.VARIANTS, "vit_b", SMALL)
    patch.setattr(folders, "SKELETONS", skeletons)
    for name in SMALL.checkpoints:
        data = (mirror / name).read_bytes()
        facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        patch.setitem(weights.REGISTRY, name, dataclasses.replace(weights.REGISTRY[name], **facts))
