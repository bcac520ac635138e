"""Stage 2: M2M on composites with exact alpha and on photographs with exact masks, behind a frozen SAM."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mam.nets.likeness import BROAD, likeness, palette
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import CELL, FRAME, Sam
from mam.training import prompts
from mam.training.data import PARTS, Library, around, bounds, choose, jitter, view
from mam.training.losses import laplacian_l1, mask_iou, weighted_l1
from mam.training.segmentation import normalise
from mam.training.synthetic_foregrounds import Texture, draw_foreground, draw_plant, soften

# Sources whose masks can teach, and how far from their edges they are to be trusted, in pixels of the input frame.
_EDGE = {"ccp": 5, "davis": 5, "balloon": 8, "coco": 14}


class Composites:
    """Examples for the matte stage, in the input frame; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where pictures come from.
        seed: of all randomness.
    """

    def __init__(self, library: Library, seed: int) -> None:
        self.library, self.seed = library, seed

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """`image` (1024, 1024, 3), `alpha` and `known` (1024, 1024), uint8; `valid` (2,) h, w. `known` 0: no loss there."""
        rng = np.random.default_rng((self.seed, index))
        while True:
            image, alpha, known = self._photograph(rng) if rng.random() < 0.4 else self._composite(rng)
            if 0.005 < (np.asarray(alpha) > 127).mean() < 0.95:
                break
        h, w = image.height, image.width
        example = {"valid": np.array([h, w])}
        for name, content in {"image": jitter(rng, image), "alpha": alpha, "known": known}.items():
            array = np.asarray(content)
            example[name] = np.zeros((FRAME, FRAME, *array.shape[2:]), np.uint8)
            example[name][:h, :w] = array
        return example

    def _photograph(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
        """A real photograph, mostly a closer look; its mask says nothing within some pixels of its edge."""
        photo = self.library.photo(rng, list(_EDGE))
        image, labels = photo.read()
        if photo.source in PARTS:
            labels = (labels > 0).astype(np.uint8)
        wanted = choose(rng, labels, smallest=0.01)
        if wanted is None:
            return self._photograph(rng)
        mask = labels == wanted
        box = around(rng, bounds(mask), image.size) if rng.random() < 0.7 else (0, 0, *image.size)
        image, mask = view(rng, image, mask.astype(np.uint8) * 255, box, FRAME)
        reach = 2 * _EDGE[photo.source] + 1
        edge = ndimage.maximum_filter(mask, reach) != ndimage.minimum_filter(mask, reach)
        return image, Image.fromarray(mask), Image.fromarray(np.uint8(~edge))

    def _composite(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
        """One or two soft foregrounds on a picture; of two, one is asked for: the upper, or what is seen of the lower."""
        _, image, _ = self.library.scene(rng)
        scale = FRAME / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 8)))
        image, alpha = self._place(rng, image)
        if rng.random() < 0.3:
            image, other = self._place(rng, image)
            alpha = one_of_two(rng, alpha, other)
        # Grain and compression run over the seam, as a camera's would.
        grain = rng.normal(0, rng.uniform(0, 6), (image.height, image.width, 1))
        image = Image.fromarray(np.uint8(np.clip(np.asarray(image) + grain, 0, 255)))
        if rng.random() < 0.4:
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=int(rng.integers(55, 95)))
            image = Image.open(stream).convert("RGB")
        return image, alpha, Image.new("L", image.size, 1)

    def _place(self, rng: np.random.Generator, image: Image.Image) -> tuple[Image.Image, Image.Image]:
        """Put a soft foreground on a picture -> the composite and the foreground's alpha."""
        side, room = int(rng.uniform(0.3, 1.3) * FRAME), 96  # room for strands and blur around it
        kind = rng.random()
        if kind < 0.12:
            foreground, room = draw_foreground(rng, side, self._texture(rng)), 0
        elif kind < 0.3:
            foreground, room = self._bush(rng, side), 0
        else:
            cutout = self.library.cutout(rng)
            scale = side / max(cutout.size)
            cutout = cutout.resize(
                (max(8, int(cutout.width * scale)), max(8, int(cutout.height * scale))), Image.Resampling.BICUBIC
            )
            padded = Image.new("RGBA", (cutout.width + 2 * room, cutout.height + 2 * room))
            padded.paste(cutout, (room, room))
            foreground = soften(rng, padded)
        w, h = foreground.width - 2 * room, foreground.height - 2 * room
        x = int(rng.uniform(-0.15, 1.15) * (image.width - w)) - room
        y = int(rng.uniform(-0.15, 1.15) * (image.height - h)) - room
        alpha = Image.new("L", image.size)
        alpha.paste(foreground.getchannel("A"), (x, y))
        layer = Image.new("RGB", image.size)
        layer.paste(_matched(rng, foreground, image), (x, y))
        return Image.composite(layer, image, alpha), alpha

    def _bush(self, rng: np.random.Generator, side: int) -> Image.Image:
        """Plants that grow beside one another, so that the picture shows through between their leaves."""
        bush = Image.new("RGBA", (side, side))
        for _ in range(rng.integers(1, 5)):
            plant = draw_plant(rng, side, self._texture(rng))
            bush.alpha_composite(plant, (int(rng.integers(side - plant.width + 1)), side - plant.height))
        return bush

    def _texture(self, rng: np.random.Generator) -> Texture:
        def texture(size: tuple[int, int]) -> Image.Image:
            _, image, _ = self.library.scene(rng)
            return image.resize(size, Image.Resampling.BICUBIC)

        return texture


def one_of_two(rng: np.random.Generator, lower: Image.Image, upper: Image.Image) -> Image.Image:
    """The alpha of the instance that is asked for: the upper one, or what is seen of the lower one if that is enough."""
    behind = np.uint8(np.asarray(lower, np.float32) * (1 - np.asarray(upper, np.float32) / 255))
    return Image.fromarray(behind) if rng.random() < 0.5 and behind.max() > 200 else upper


def _matched(rng: np.random.Generator, foreground: Image.Image, image: Image.Image) -> Image.Image:
    """The foreground's colours, moved some way towards the picture's mean and contrast: one light fell on both."""
    own, there = np.asarray(foreground.convert("RGB"), np.float32), np.asarray(image.resize((64, 64)), np.float32)
    solid = own[np.asarray(foreground.getchannel("A")) > 128]
    if not len(solid) or rng.random() < 0.3:
        return jitter(rng, foreground.convert("RGB"))
    share = rng.uniform(0.1, 0.6)
    mean, spread = solid.mean(0), solid.std() + 1
    gain = (1 - share) + share * np.clip(there.std() / spread, 0.6, 1.4)
    moved = (own - mean) * gain + mean + share * (there.mean((0, 1)) - mean)
    return Image.fromarray(np.uint8(np.clip(moved, 0, 255)))


def matting_loss(
    sam: Sam,
    m2m: MaskToMatte,
    batch: dict[str, Tensor],
    progress: float,
    cells: int = 20,
    views: int = 6,
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch on some crops per picture, cut along the cells of the embedding.

    Args:
        sam: frozen, in eval mode. m2m: learns.
        batch: from `Composites`.
        progress: share of the run that is done; the weight maps follow it (see `_weights`).
        cells: side of a crop in cells of 16 pixels.
        views: crops per picture.

    Returns:
        The loss and figures to print.

    Source: Li, Jain and Shi 2023, section 4.1.
    """
    alpha, known = batch["alpha"].float() / 255, batch["known"].float()
    image = normalise(batch["image"], batch["valid"])
    target = alpha > 0.5
    small = F.avg_pool2d(alpha.unsqueeze(1), 4) > 0.5
    with torch.no_grad():
        embeddings = sam.image_encoder(image)
        coords = prompts.boxes(target)
        labels = coords.new_tensor([[2.0, 3.0]]).expand(len(coords), -1)
        none = coords.new_zeros(len(coords), 1, FRAME // 4, FRAME // 4)
        mask = sam.lone_answer(*sam.answer(embeddings, coords, labels, none, coords.new_zeros(len(coords))))
        # A mask with faults teaches to mend them; from one of something else M2M could only learn to ignore masks, and a
        # shaken true one teaches more.
        missed = mask_iou(mask, small.squeeze(1)).squeeze(1) < 0.55
        guide = torch.where(missed[:, None, None, None], _shaken(small), mask)

        hard = (guide > 0).to(image.dtype)
        halves, quarters = F.avg_pool2d(image, 2).split(1), F.avg_pool2d(image, 4).split(1)
        # One by one: the bins of a whole batch would take gigabytes.
        like = torch.cat(
            [
                likeness(half, *palette(quarter, inside, *BROAD))
                for half, quarter, inside in zip(halves, quarters, hard.split(1))
            ]
        )
        fields = [
            (embeddings, 1),
            (image, CELL),
            (guide, 4),
            (like, CELL // 2),
            (alpha.unsqueeze(1), CELL),
            (known.unsqueeze(1), CELL),
        ]
        corners = [
            (i, *_corner(alpha[i], small[i, 0], guide[i, 0] > 0, cells))
            for i in range(len(alpha))
            for _ in range(views)
        ]
        embedding, picture, mask, like, alpha, known = (
            torch.stack([f[i, :, y * k : (y + cells) * k, x * k : (x + cells) * k] for i, y, x in corners])
            for f, k in fields
        )
    os8, os4, os1 = m2m(embedding, picture, mask, like)
    w8, w4, w1 = _weights(alpha, os8.detach(), os4.detach(), progress)
    parts = [(os1, w1, 0.4), (os4, w4, 0.2), (os8, w8, 0.2)]
    loss = sum(
        share * (weighted_l1(os, alpha, w * known) + laplacian_l1(os, alpha, w * known)) for os, w, share in parts
    )
    figures = {
        f"mad{name}": ((os - alpha).abs() * known).mean().item() for name, os in (("8", os8), ("4", os4), ("1", os1))
    }
    return loss, figures


def _weights(alpha: Tensor, os8: Tensor, os4: Tensor, progress: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weight maps per scale: all ones first; then often the trimap's unknown band; at last where the coarser is unsure."""
    ones = torch.ones_like(alpha)
    if progress < 0.2 or torch.rand(()) < 0.5:
        return ones, ones, ones
    if progress < 0.6 or torch.rand(()) < 0.5:
        unknown = _grown((alpha > 0.01) & (alpha < 0.99), 15)
        return ones, unknown, unknown
    unsure8 = _grown((os8 > 1 / 255) & (os8 < 1 - 1 / 255), int(torch.randint(1, 15, ())))
    unsure4 = _grown((os4 > 1 / 255) & (os4 < 1 - 1 / 255), int(torch.randint(1, 8, ())))
    return ones, unsure8, unsure4


def _grown(region: Tensor, radius: int) -> Tensor:
    rows = F.max_pool2d(region.float(), (2 * radius + 1, 1), 1, (radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius))


def _shaken(mask: Tensor) -> Tensor:
    """Logits (B, 1, h, w) of bool masks, grown or shrunk by 0 to 3 pixels, with a wavy edge."""
    wave = F.interpolate(torch.randn(len(mask), 1, 24, 24, device=mask.device), mask.shape[-2:], mode="bilinear")
    radius = int(torch.randint(0, 4, ()))
    soft = F.avg_pool2d(mask.float(), 2 * radius + 1, 1, radius)
    return 12 * (soft + 0.3 * wave - 0.5)


def _corner(alpha: Tensor, small: Tensor, guide: Tensor, cells: int) -> tuple[int, int]:
    """The first row and column, in cells, of a crop around a place worth learning from: a fault of the mask, an edge of
    the object, or its inside. `alpha` is (1024, 1024), `small` and `guide` (256, 256) bool: the true mask and SAM's.
    """
    draw = torch.rand(())
    if draw < 0.35 and (small != guide).any():
        places = 4 * (small != guide).nonzero()
    elif draw < 0.85:
        whole = small.float()[None]
        edge = F.max_pool2d(whole, 3, 1, 1) + F.max_pool2d(-whole, 3, 1, 1) > 0
        soft = F.max_pool2d(((alpha > 0.02) & (alpha < 0.98)).float()[None], 4) > 0
        places = 4 * (edge | soft)[0].nonzero()
    else:
        places = 4 * small.nonzero()
    y, x = (0, 0) if not len(places) else places[torch.randint(len(places), ())].tolist()
    room = FRAME // CELL - cells
    return tuple(min(max(v // CELL - int(torch.randint(cells, ())), 0), room) for v in (y, x))
