"""Training runs: from a recipe and a data folder to a checkpoint for `python -m export`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from mam.model.frames import SIDE
from mam.model.variants import VARIANTS, Tiny, Variant
from mam.nets import checkpoint
from mam.nets.build import build_sam
from mam.nets.m2m import MaskToMatte
from mam.nets.mam import MattingAnything
from mam.nets.tiny.backbone import find_backbone
from mam.nets.tiny.matte import MatteUNet
from mam.nets.tiny.segmenter import Segmenter
from mam.nets.tiny.words import Classifier, WordHead, read_classes
from training import prompts
from training.composites import Composites
from training.examples import Examples
from training.library import Library
from training.loop import train
from training.matting import matting_loss
from training.recipes import Recipe
from training.segmentation import normalise, segmentation_loss
from training.sets import SetComposites
from training.words import WordExamples, read_named_photos, word_loss

SEGMENT_STATE, MATTE_STATE, WORDS_STATE = "segment.state.pt", "matte.state.pt", "words.state.pt"
Log = Callable[[str], None]


class Endless(Dataset):
    """Examples of several sizes or kinds as one data set.

    Args:
        examples: take turns, one step after the other.
        batch: indices per step, of all processes together.
    """

    def __init__(self, *examples: Examples | Composites | SetComposites, batch: int = 1) -> None:
        self.examples, self.batch = examples, batch

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.examples[index // self.batch % len(self.examples)][index]


def train_segmentation(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    start: Sequence[Path] = (),
    variant: Variant | None = None,
    loaders: int = 0,
    save_every: int = 100,
    log: Log = print,
) -> list[Path]:
    """Train the image encoder and the mask decoder of `tiny` (stage 1).

    Args:
        recipe: a recipe of stage "segment".
        data: see `training.library`.
        out: folder for the resumable state and, at the end, `VARIANT_image_encoder.pt` and `VARIANT_mask_decoder.pt`.
        start: the two checkpoints of an earlier run to start from; none for ImageNet weights.
        variant: the network; None for the one that the recipe names.
        loaders: worker processes that prepare examples.
        save_every: steps between two writes of the resumable state.
        log: called with a line every 50 steps.

    Returns:
        The paths of the checkpoints.

    Raises:
        MamError: there is nothing to start from, and the package with the ImageNet weights is not installed.
    """
    variant = variant or VARIANTS[recipe.variant]
    torch.manual_seed(recipe.seed)
    net = checkpoint.load_sam(variant, *start) if start else build_sam(variant)
    assert isinstance(net, Segmenter) and isinstance(variant.networks, Tiny)
    if not start and not (out / SEGMENT_STATE).exists():
        net.image_encoder.backbone.load_pretrained(find_backbone(variant.networks.backbone))
    net.train().to(_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return segmentation_loss(net, examples, step, step < recipe.coarse * recipe.steps, recipe.edges)

    library, world = Library(data), int(os.environ.get("WORLD_SIZE", 1))
    sizes = [Examples(library, side, recipe.seed) for side in recipe.read_sides]
    examples = Endless(*sizes, batch=recipe.batch * world)
    average = train(
        net, loss_of, examples, recipe, out / SEGMENT_STATE, loaders=loaders, save_every=save_every, log=log
    )
    return [_publish(average, variant, recipe, out, part) for part in ("image_encoder", "mask_decoder")]


def train_matte(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    sam_files: Sequence[Path],
    start: Path | None = None,
    variant: Variant | None = None,
    loaders: int = 0,
    log: Log = print,
) -> Path:
    """Train M2M behind a frozen SAM (stage 2).

    Args:
        recipe: a recipe of stage "matte".
        data: see `training.library`, or `training.sets` if the recipe's data are "sets".
        out: folder for the resumable state, previews of the current mattes and, at the end, `VARIANT_m2m.pt`.
        sam_files: checkpoint of the SAM, in one or two files.
        start: an M2M checkpoint to start from; None for random weights, and ImageNet weights of a backbone.
        variant: the network; None for the one that the recipe names.
        loaders: worker processes that prepare examples.
        log: called with a line every 50 steps.

    Returns:
        The path of the checkpoint.
    """
    variant = variant or VARIANTS[recipe.variant]
    torch.manual_seed(recipe.seed)
    model = MattingAnything(variant)
    model.sam = sam = checkpoint.load_sam(variant, *sam_files).requires_grad_(False)
    if start is not None:
        model.m2m = checkpoint.load_m2m(variant, start)
    elif isinstance(model.m2m, MatteUNet) and not (out / MATTE_STATE).exists():
        model.m2m.backbone.load_pretrained(find_backbone())
    model.to(_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    source = SetComposites(data, recipe.seed) if recipe.data == "sets" else Composites(Library(data), recipe.seed)
    shown = [source[2**40 + i] for i in range(4)]  # indices that no run reaches

    def loss_of(examples: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return matting_loss(sam, model.m2m, examples, step / recipe.steps, recipe.cells, recipe.views, recipe.entropy)

    def preview(average: MaskToMatte | MatteUNet, step: int) -> None:
        model_now = MattingAnything(variant)
        model_now.sam, model_now.m2m = model.sam, average
        draw_mattes(model_now.eval(), shown).save(out / f"mattes_{step:06}.png")

    average = train(
        model.m2m.train(),
        loss_of,
        Endless(source),
        recipe,
        out / MATTE_STATE,
        loaders=loaders,
        log=log,
        preview=preview,
    )
    return _publish(average, variant, recipe, out, "m2m")


def train_words(recipe: Recipe, data: Path, out: Path, *, log: Log = print) -> Path:
    """Train the head that finds objects by name, behind a frozen classifier with ImageNet weights.

    Args:
        recipe: a recipe of stage "words".
        data: see `training.words`.
        out: folder for the resumable state and, at the end, `VARIANT_words.pt`.
        log: called with a line every 50 steps.

    Returns:
        The path of the checkpoint, which holds the head alone.

    Raises:
        MamError: the names of the objects, or the package with the ImageNet weights, are missing.
    """
    classes = read_classes()
    photos = read_named_photos(data, list(classes))
    classifier = Classifier(list(classes.values()))
    classifier.load_pretrained(find_backbone())
    log(f"computing the features of {len(photos)} photographs")
    examples = WordExamples(classifier.eval(), photos, recipe.seed)
    torch.manual_seed(recipe.seed)
    head, weights = WordHead(len(classes)).train().to(_device()), examples.weights().to(_device())

    def loss_of(batch: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, float]]:
        return word_loss(head, batch, weights)

    average = train(head, loss_of, examples, recipe, out / WORDS_STATE, log=log)
    return _publish(average, VARIANTS[recipe.variant], recipe, out, "words")


@torch.no_grad()
def draw_mattes(model: MattingAnything, examples: list[dict[str, np.ndarray]], side: int = 256) -> Image.Image:
    """Draw one row per example: the image, the true alpha and the predicted alpha for a tight box.

    Args:
        model: in eval mode.
        examples: from `Composites` or `SetComposites`.
        side: a panel's side, in pixels.
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


def _publish(net: nn.Module, variant: Variant, recipe: Recipe, out: Path, name: str) -> Path:
    """Write a network, or its submodule of that name if it has one, as VARIANT_NAME.pt."""
    file = out / f"{recipe.variant}_{name}.pt"
    if int(os.environ.get("RANK", 0)) == 0:
        part = name if hasattr(net, name) else None
        checkpoint.save(net.cpu(), variant, file, recipe.to_dict(), part)
    return file


def _device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")
