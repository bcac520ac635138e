"""Training runs: from a recipe and a data folder to a checkpoint for `python -m export`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from mam.frames import SIDE
from mam.nets import checkpoint
from mam.nets.m2m import MaskToMatte
from mam.nets.mam import MattingAnything
from mam.nets.sam import Sam
from mam.training import prompts
from mam.training.composites import Composites
from mam.training.data import Segments
from mam.training.library import SEGMENTS_MIX, Library
from mam.training.loop import train
from mam.training.matting import matting_loss
from mam.training.recipes import Recipe
from mam.training.segmentation import normalise, segmentation_loss, tie_query_key_projections
from mam.training.sets import SetComposites
from mam.variants import VARIANTS, Variant

Log = Callable[[str], None]


class _Endless(Dataset):
    """Adapts examples to a data loader, which requires a length."""

    def __init__(self, examples: Segments | Composites | SetComposites) -> None:
        self.examples = examples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.examples[index]

    def __len__(self) -> int:
        return 2**62


def train_segmentation(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    start: Path | None = None,
    variant: Variant | None = None,
    loaders: int = 0,
    save_every: int = 200,
    log: Log = print,
) -> Path:
    """Train the image encoder, prompt encoder and mask decoder (stage 1).

    Args:
        recipe: of stage "segment".
        data: see `mam.training.library`.
        out: folder for the resumable state and, at the end, `VARIANT_sam.pt`.
        start: a checkpoint to start from, such as that of an earlier run; None for random weights.
        variant: the network; None for the one that the recipe names.
        loaders: worker processes that prepare examples.
        save_every: steps between two writes of the resumable state.
        log: called with a line every 50 steps.

    Returns:
        The path of the checkpoint.
    """
    variant = variant or VARIANTS[recipe.variant]
    torch.manual_seed(recipe.seed)
    if start is None:
        sam = Sam(variant)
        tie_query_key_projections(sam)
    else:
        sam = checkpoint.load_sam(variant, start).train()
    if recipe.only is not None:
        sam.requires_grad_(False).eval()
        sam.get_submodule(recipe.only).requires_grad_(True).train()
    sam.to(_device())
    sam.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return segmentation_loss(sam, examples, 2 if step < recipe.pooled * recipe.steps else 1, step)

    examples = _Endless(Segments(Library(data, SEGMENTS_MIX), recipe.read_side, recipe.seed))
    average = train(
        sam, loss_of, examples, recipe, out / "segment.state.pt", loaders=loaders, save_every=save_every, log=log
    )
    return _publish(average, variant, recipe, out / f"{recipe.variant}_sam.pt")


def train_matte(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    sam_file: Path,
    start: Path | None = None,
    variant: Variant | None = None,
    loaders: int = 0,
    log: Log = print,
) -> Path:
    """Train M2M behind a frozen SAM (stage 2).

    Args:
        recipe: of stage "matte".
        data: see `mam.training.library`, or `mam.training.sets` if the recipe's data are "sets".
        out: folder for the resumable state, previews of the current mattes and, at the end, `VARIANT_m2m.pt`.
        sam_file: checkpoint of the SAM.
        start: an M2M checkpoint to start from; None for random weights.
        variant: the network; None for the one that the recipe names.
        loaders: worker processes that prepare examples.
        log: called with a line every 50 steps.

    Returns:
        The path of the checkpoint.
    """
    variant = variant or VARIANTS[recipe.variant]
    torch.manual_seed(recipe.seed)
    model = MattingAnything(variant)
    model.sam = checkpoint.load_sam(variant, sam_file).requires_grad_(False)
    if start is not None:
        model.m2m = checkpoint.load_m2m(variant, start)
    model.to(_device())
    source = (
        SetComposites(data, recipe.seed)
        if recipe.data == "sets"
        else Composites(Library(data, SEGMENTS_MIX), recipe.seed)
    )
    shown = [source[2**40 + i] for i in range(4)]  # indices that no run reaches

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return matting_loss(model.sam, model.m2m, examples, step / recipe.steps, recipe.cells, recipe.views)

    def preview(average: MaskToMatte, step: int) -> None:
        model_now = MattingAnything(variant)
        model_now.sam, model_now.m2m = model.sam, average
        draw_mattes(model_now.eval(), shown).save(out / f"mattes_{step:06}.png")

    average = train(
        model.m2m.train(),
        loss_of,
        _Endless(source),
        recipe,
        out / "matte.state.pt",
        loaders=loaders,
        log=log,
        preview=preview,
    )
    return _publish(average, variant, recipe, out / f"{recipe.variant}_m2m.pt")


@torch.no_grad()
def draw_mattes(model: MattingAnything, examples: list[dict[str, np.ndarray]], side: int = 256) -> Image.Image:
    """Draw one row per example: the image, the true alpha and the predicted alpha for a tight box.

    Args:
        model: in eval mode.
        examples: from `Composites` or `SetComposites`.
        side: of a panel in pixels.
    """
    sheet = Image.new("RGB", (3 * side, len(examples) * side))
    device = next(model.parameters()).device
    for row, example in enumerate(examples):
        batch = {k: torch.from_numpy(np.ascontiguousarray(v)).unsqueeze(0).to(device) for k, v in example.items()}
        size = torch.tensor([SIDE, SIDE])
        alpha = model(
            normalise(batch["image"], batch["valid"]),
            prompts.boxes(batch["alpha"] > 127, looseness=0.0),
            torch.tensor([[2.0, 3.0]], device=device),
            size,
            size,
            torch.tensor(False, device=device),
        )
        drawn = (alpha[0, 0].cpu().numpy() * 255).astype(np.uint8)
        for column, array in enumerate((example["image"], example["alpha"], drawn)):
            sheet.paste(Image.fromarray(array).resize((side, side)), (column * side, row * side))
    return sheet


def _publish(net: Sam | MaskToMatte, variant: Variant, recipe: Recipe, file: Path) -> Path:
    if int(os.environ.get("RANK", 0)) == 0:
        checkpoint.save(net.cpu(), variant, file, recipe.to_dict())
    return file


def _device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")
