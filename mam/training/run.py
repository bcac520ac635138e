"""The two stages of training `tiny`, from a folder of pictures to the two checkpoints that export reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mam.nets import checkpoint
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import Sam
from mam.training.data import Library, Segments
from mam.training.loop import train
from mam.training.matting import Composites, matting_loss
from mam.training.segmentation import segmentation_loss, start_with_places
from mam.variants import VARIANTS

READ_SIDE = 256  # what `tiny`'s encoder reads of the 1024 input frame


class _Endless(Dataset):
    """Examples for the loader, which wants a length."""

    def __init__(self, examples: Segments | Composites) -> None:
        self.examples = examples

    def __getitem__(self, index: int) -> dict:
        return self.examples[index]

    def __len__(self) -> int:
        return 2**62


def train_segmentation(
    data: Path,
    out: Path,
    *,
    steps: int = 1850,
    batch: int = 4,
    lr: float = 6e-4,
    pool: int = 2,
    start: Path | None = None,
    loaders: int = 0,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> Path:
    """Stage 1: encoder, prompt encoder and mask decoder.

    Args:
        data: see `mam.training.data`. out: gets the resumable state and, at the end, `tiny_sam.pt`.
        steps, batch, lr: batch counts pictures per process.
        pool: the embedding is pooled so much before the decoder; 2 first, 1 for a last, short run from `start`.
        start: a checkpoint to go on from: only the prompt encoder and the mask decoder learn then.

    Returns:
        The path of `tiny_sam.pt`.
    """
    variant = VARIANTS["tiny"]
    torch.manual_seed(seed)
    sam = Sam(variant)
    start_with_places(sam)
    if start is not None:
        # The embedding stays as it is, and with it what M2M may have learnt from it.
        sam.load_state_dict(checkpoint.read_state(start, variant))
        sam.image_encoder.requires_grad_(False).eval()
    sam.to(_device()).image_encoder.to(memory_format=torch.channels_last)

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return segmentation_loss(sam, examples, pool, correct=step % 2 == 1)

    examples = _Endless(Segments(Library(data), READ_SIDE, seed))
    average = train(
        sam,
        loss_of,
        examples,
        out / f"segment_{pool}.state.pt",
        steps=steps,
        batch=batch,
        lr=lr,
        warmup=min(200, max(1, steps // 8)),
        loaders=loaders,
        log=log,
    )
    return _publish(average, out / "tiny_sam.pt")


def train_matte(
    data: Path,
    out: Path,
    *,
    sam_file: Path,
    steps: int = 1200,
    batch: int = 4,
    lr: float = 2e-3,
    loaders: int = 0,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> Path:
    """Stage 2: M2M behind the frozen SAM of `sam_file`; writes and returns `out/tiny_m2m.pt`."""
    variant = VARIANTS["tiny"]
    torch.manual_seed(seed)
    sam = Sam(variant).eval().requires_grad_(False)
    sam.load_state_dict(checkpoint.read_state(sam_file, variant))
    sam.to(_device())
    m2m = MaskToMatte(variant.m2m).to(_device())

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return matting_loss(sam, m2m, examples, progress=step / steps)

    examples = _Endless(Composites(Library(data), seed))
    average = train(
        m2m,
        loss_of,
        examples,
        out / "matte.state.pt",
        steps=steps,
        batch=batch,
        lr=lr,
        warmup=100,
        weight_decay=0.0,
        loaders=loaders,
        log=log,
    )
    return _publish(average, out / "tiny_m2m.pt")


def _publish(net: Sam | MaskToMatte, file: Path) -> Path:
    if int(os.environ.get("RANK", 0)) == 0:
        checkpoint.save(net.cpu(), VARIANTS["tiny"], file)
    return file


def _device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")
