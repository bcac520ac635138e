"""A small random SAM of Meta's layout instead of `vit_b`, and a folder instead of the download servers.

`python -m tests.small_vit MIRROR prepare --variant vit_b` is `python -m export prepare` with that model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path

import torch

from mam import variants, weights
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


def main(mirror: Path, *command: str) -> int:
    """Run a command of `export` as if the files of the mirror were the published ones."""
    from export.__main__ import main as export

    variants.VARIANTS["vit_b"] = SMALL
    for name in SMALL.checkpoints:
        data = (mirror / name).read_bytes()
        facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        weights.REGISTRY[name] = dataclasses.replace(weights.REGISTRY[name], **facts)
    return export(command)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
