"""Training examples for the matte stage: composites with exact alpha, and photographs with masks."""

from __future__ import annotations

import colorsys
import io

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from mam.model.frames import SIDE
from training.augmentation import choose_label, crop_around, jitter, view
from training.library import PARTS, Library
from training.synthetic_foregrounds import Texture, draw_foreground, draw_plant, soften

# Sources with usable masks, and the distance from their edges within which these are unreliable, in pixels of the input
# frame.
_EDGE = {"ccp": 5, "davis": 5, "balloon": 8, "coco": 14, "duts": 12, "ecssd": 14, "feral_cat": 20}
_PREDICTED, _PHOTOGRAPHS = 0.12, 0.35  # how often an example is a photograph with a predicted alpha, or with a mask


class Composites:
    """Examples for the matte stage, in the input frame; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where images come from.
        seed: seeds all random choices.
    """

    def __init__(self, library: Library, seed: int) -> None:
        self.library, self.seed = library, seed

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Draw one example.

        Returns:
            `image` (1024, 1024, 3) uint8; `alpha` (1024, 1024) uint8; `known` (1024, 1024) uint8, 0 where the alpha is
            unknown and there is no loss; `valid` (2,), the h, w inside the padding.
        """
        rng = np.random.default_rng((self.seed, index))
        while True:
            draw = rng.random()
            if draw < _PREDICTED and self.library.alphas:
                image, alpha, known = self._predicted(rng)
            else:
                image, alpha, known = self._photograph(rng) if draw < _PHOTOGRAPHS else self._composite(rng)
            if 0.005 < (np.asarray(alpha) > 127).mean() < 0.95:
                break
        h, w = image.height, image.width
        example = {"valid": np.array([h, w])}
        for name, content in {"image": jitter(rng, image), "alpha": alpha, "known": known}.items():
            array = np.asarray(content)
            example[name] = np.zeros((SIDE, SIDE, *array.shape[2:]), np.uint8)
            example[name][:h, :w] = array
        return example

    def _photograph(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
        """Draw a photograph, mostly a crop around its object, with its mask as alpha, unknown near the edge."""
        photo = self.library.photo(rng, list(_EDGE))
        image, labels = photo.read()
        if photo.source in PARTS:
            labels = (labels > 0).astype(np.uint8)
        target = choose_label(rng, labels, smallest=0.01)
        if target is None:
            return self._photograph(rng)
        mask = labels == target
        box = crop_around(rng, mask) if rng.random() < 0.7 else (0, 0, *image.size)
        image, alpha = view(rng, image, mask.astype(np.uint8) * 255, box, SIDE)
        reach = 2 * _EDGE[photo.source] + 1
        edge = ndimage.maximum_filter(alpha, reach) != ndimage.minimum_filter(alpha, reach)
        return image, Image.fromarray(alpha), Image.fromarray((~edge).astype(np.uint8))

    def _predicted(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
        """Draw a photograph with an alpha that another network predicted."""
        image, alpha = self.library.photo_with_alpha(rng)
        mask = np.asarray(alpha) > 127
        box = crop_around(rng, mask) if rng.random() < 0.7 else (0, 0, *image.size)
        scale = SIDE / max(box[2] - box[0], box[3] - box[1])
        size = (max(8, round((box[2] - box[0]) * scale)), max(8, round((box[3] - box[1]) * scale)))
        image, alpha = (part.resize(size, Image.Resampling.BICUBIC, box=box) for part in (image, alpha))
        if rng.random() < 0.5:
            image, alpha = (part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for part in (image, alpha))
        return image, alpha, Image.new("L", image.size, 1)

    def _composite(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
        """One or two soft foregrounds on an image; of two, the target is the upper or what is visible of the lower."""
        image = self._background(rng)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 8)))
        image, alpha = self._place(rng, image)
        if rng.random() < 0.3:
            image, other = self._place(rng, image)
            alpha = choose_instance(rng, alpha, other)
        # Grain and compression cover foreground and background alike, as in a photograph.
        grain = rng.normal(0, rng.uniform(0, 6), (image.height, image.width, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
        if rng.random() < 0.4:
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=int(rng.integers(55, 95)))
            image = Image.open(stream).convert("RGB")
        return image, alpha, Image.new("L", image.size, 1)

    def _background(self, rng: np.random.Generator) -> Image.Image:
        """Draw a scene with a longest side of `SIDE`, enlarged, or often as mirrored copies that are less enlarged.

        The library's photographs are small, and enlarged ones are blurred. If only foregrounds were sharp, the network
        would learn that what is sharp is foreground.
        """
        _, image, _ = self.library.draw_image(rng)
        scale = SIDE / max(image.size)
        if rng.random() < 0.4:
            scale *= rng.uniform(0.3, 0.8)
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
            around = [(0, SIDE - side) for side in (image.height, image.width)]
            return Image.fromarray(np.pad(np.asarray(image), (*around, (0, 0)), "symmetric"))
        return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)

    def _place(self, rng: np.random.Generator, image: Image.Image) -> tuple[Image.Image, Image.Image]:
        """Paste a soft foreground on an image -> the composite and the foreground's alpha."""
        side, margin = int(rng.uniform(0.3, 1.3) * SIDE), 96  # the margin holds strands and blur around the object
        kind = rng.random()
        if kind < 0.12:
            foreground, margin = draw_foreground(rng, side, self._texture(rng)), 0
        elif kind < 0.3:
            foreground, margin = self._bush(rng, side), 0
        else:
            photographed = self.library.alphas and rng.random() < 0.2
            cutout = self.library.cut_along_alpha(rng) if photographed else self.library.foreground(rng)
            scale = side / max(cutout.size)
            cutout = cutout.resize(
                (max(8, int(cutout.width * scale)), max(8, int(cutout.height * scale))), Image.Resampling.BICUBIC
            )
            padded = Image.new("RGBA", (cutout.width + 2 * margin, cutout.height + 2 * margin))
            padded.paste(cutout, (margin, margin))
            # The edge of a photographed foreground is soft already.
            foreground = soften(rng, padded, "edge" if photographed else None)
        if rng.random() < 0.4:
            foreground = self._add_detail(rng, foreground)
        w, h = foreground.width - 2 * margin, foreground.height - 2 * margin
        x = int(rng.uniform(-0.15, 1.15) * (image.width - w)) - margin
        y = int(rng.uniform(-0.15, 1.15) * (image.height - h)) - margin
        alpha = Image.new("L", image.size)
        alpha.paste(foreground.getchannel("A"), (x, y))
        layer = Image.new("RGB", image.size)
        colours = _match_colours(rng, foreground, image)
        if rng.random() < 0.35:
            colours = spill_light(rng, colours, foreground.getchannel("A"))
        layer.paste(colours, (x, y))
        return Image.composite(layer, image, alpha), alpha

    def _bush(self, rng: np.random.Generator, side: int) -> Image.Image:
        """One to four plants side by side, so that the background shows between their leaves."""
        bush = Image.new("RGBA", (side, side))
        for _ in range(rng.integers(1, 5)):
            plant = draw_plant(rng, side, self._texture(rng))
            bush.alpha_composite(plant, (int(rng.integers(side - plant.width + 1)), side - plant.height))
        return bush

    def _add_detail(self, rng: np.random.Generator, foreground: Image.Image) -> Image.Image:
        """Add the fine detail of another photograph to an RGBA foreground, which was enlarged and is blurred."""
        _, image, _ = self.library.draw_image(rng)
        tile = np.asarray(image.convert("L"), np.float32)
        tile = tile - ndimage.uniform_filter(tile, 9)
        around = [(0, max(0, own - have)) for own, have in zip(foreground.size[::-1], tile.shape, strict=True)]
        detail = np.pad(tile, around, "symmetric")[: foreground.height, : foreground.width, None]
        colours = np.asarray(foreground.convert("RGB")) + rng.uniform(0.2, 1.0) * detail
        detailed = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
        detailed.putalpha(foreground.getchannel("A"))
        return detailed

    def _texture(self, rng: np.random.Generator) -> Texture:
        def texture(size: tuple[int, int]) -> Image.Image:
            _, image, _ = self.library.draw_image(rng)
            return image.resize(size, Image.Resampling.BICUBIC)

        return texture


def choose_instance(rng: np.random.Generator, lower: Image.Image, upper: Image.Image) -> Image.Image:
    """Return the target's alpha: the upper instance, or the lower one's visible part if that is large enough."""
    visible = (np.asarray(lower, np.float32) * (1 - np.asarray(upper, np.float32) / 255)).astype(np.uint8)
    return Image.fromarray(visible) if rng.random() < 0.5 and visible.max() > 200 else upper


def _match_colours(rng: np.random.Generator, foreground: Image.Image, image: Image.Image) -> Image.Image:
    """Move the foreground's colours towards the background's mean and contrast, as if the light were the same."""
    own, other = np.asarray(foreground.convert("RGB"), np.float32), np.asarray(image.resize((64, 64)), np.float32)
    solid = own[np.asarray(foreground.getchannel("A")) > 128]
    if not len(solid) or rng.random() < 0.3:
        return jitter(rng, foreground.convert("RGB"))
    share = rng.uniform(0.1, 0.6)
    mean, spread = solid.mean(0), solid.std() + 1
    gain = (1 - share) + share * np.clip(other.std() / spread, 0.6, 1.4)
    moved = (own - mean) * gain + mean + share * (other.mean((0, 1)) - mean)
    return Image.fromarray(np.clip(moved, 0, 255).astype(np.uint8))


def spill_light(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Tint a foreground near its edge with one colour, as the light of a strongly coloured background does.

    Args:
        rng: source of all randomness.
        colours: RGB of the foreground.
        alpha: an alpha of the same size.
    """
    light = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.3, 1), rng.uniform(0.3, 1))) * 255
    strength, reach = rng.uniform(0.1, 0.6), rng.uniform(0.004, 0.05) * max(alpha.size)
    quarter = (max(1, alpha.width // 4), max(1, alpha.height // 4))
    depth = 4 * ndimage.distance_transform_edt(np.asarray(alpha.resize(quarter)) > 127)
    share = Image.fromarray((255 * strength * np.exp(-depth / reach)).astype(np.uint8))
    tint = Image.new("RGB", colours.size, tuple(int(v) for v in light))
    return Image.composite(tint, colours, share.resize(colours.size, Image.Resampling.BILINEAR))
