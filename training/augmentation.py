"""Random changes of training images and their label maps: crops, pasted objects with shadows, colours, compression.

Every function draws all of its randomness from the generator that it gets first.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from mam.images.boxes import PixelBox, mask_bounds


def crop_around(rng: np.random.Generator, mask: np.ndarray) -> PixelBox:
    """Return a crop (x0, y0, x1, y1) around a (H, W) bool mask, mostly with the margin of inference.

    Raises:
        ValueError: the mask is empty.
    """
    bounds = mask_bounds(mask)
    if bounds is None:
        raise ValueError("the mask is empty; there is nothing to crop around.")
    x0, y0, x1, y1 = bounds
    longest = max(y1 - y0, x1 - x0)
    if rng.random() < 0.6:
        margin = longest * rng.uniform(0.15, 0.25) * np.ones(4)
    else:
        margin = longest * np.exp(rng.uniform(np.log(0.08), np.log(1.2))) * rng.uniform(0.5, 1.5, 4)
    into = rng.uniform(0, 0.3, 4) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    left, top, right, bottom = np.where(rng.random(4) < 0.06, -into, margin)
    h, w = mask.shape
    return max(0, int(x0 - left)), max(0, int(y0 - top)), min(w, int(x1 + right)), min(h, int(y1 + bottom))


def random_crop(rng: np.random.Generator, labels: np.ndarray) -> PixelBox:
    """Return the box (x0, y0, x1, y1) of the whole image most of the time, else of a random crop near an object."""
    h, w = labels.shape
    if rng.random() < 0.6:
        return 0, 0, w, h
    part = rng.uniform(0.45, 1.0)
    cw, ch = max(16, int(w * part * rng.uniform(0.8, 1))), max(16, int(h * part * rng.uniform(0.8, 1)))
    ys, xs = np.nonzero(labels)
    if len(ys):
        k = rng.integers(len(ys))
        x0 = int(np.clip(xs[k] - cw * rng.random(), 0, w - cw))
        y0 = int(np.clip(ys[k] - ch * rng.random(), 0, h - ch))
    else:
        x0, y0 = int(rng.integers(w - cw + 1)), int(rng.integers(h - ch + 1))
    return x0, y0, x0 + cw, y0 + ch


def view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, box: PixelBox, size: int
) -> tuple[Image.Image, np.ndarray]:
    """Return the part of the image in `box`, often mirrored, stretched a little, with a longest side of `size`."""
    cw, ch = box[2] - box[0], box[3] - box[1]
    stretch = rng.uniform(0.87, 1.15)
    scale = size / max(cw * stretch, ch)
    new = (min(size, max(8, round(cw * stretch * scale))), min(size, max(8, round(ch * scale))))
    image = image.resize(new, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    labels = np.asarray(Image.fromarray(labels).resize(new, Image.Resampling.NEAREST, box=box))
    if rng.random() < 0.5:
        image, labels = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
    return image, np.ascontiguousarray(labels)


def paste(
    rng: np.random.Generator,
    image: Image.Image,
    labels: np.ndarray,
    cutout: Image.Image,
    share: float,
    central: bool = False,
) -> tuple[Image.Image, np.ndarray]:
    """Paste a cut-out somewhere and give it a new label; half the time with a shadow, which counts as background.

    Args:
        rng: source of all randomness.
        image: RGB.
        labels: (H, W) uint8.
        cutout: RGBA, of any size.
        share: longest side of the pasted object, as a share of the image's longest side.
        central: place the object near the centre of the image.

    Returns:
        The image and the labels with the object.
    """
    w, h = image.size
    scale = share * max(w, h) / max(cutout.size)
    cutout = cutout.resize(
        (max(4, round(cutout.width * scale)), max(4, round(cutout.height * scale))),
        Image.Resampling.BILINEAR,
        reducing_gap=2.0,
    )
    if rng.random() < 0.5:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        cutout = cutout.rotate(rng.uniform(-30, 30), Image.Resampling.BILINEAR, expand=True)
    spread = (0.3, 0.7) if central else (0.1, 0.9) if share < 0.6 else (0.2, 0.8)
    x, y = (int(rng.uniform(*spread) * s - 0.5 * c) for s, c in zip((w, h), cutout.size, strict=True))
    if rng.random() < 0.5:
        image = ImageChops.multiply(image, cast_shadow(rng, cutout.getchannel("A"), (w, h), (x, y)).convert("RGB"))
    alpha = Image.new("L", (w, h))
    alpha.paste(cutout.getchannel("A"), (x, y))
    layer = Image.new("RGB", (w, h))
    layer.paste(jitter(rng, cutout.convert("RGB")), (x, y))
    new_label = min(255, int(labels.max()) + 1)
    return Image.composite(layer, image, alpha), np.where(np.asarray(alpha) > 127, np.uint8(new_label), labels)


def cast_shadow(
    rng: np.random.Generator, alpha: Image.Image, size: tuple[int, int], at: tuple[int, int]
) -> Image.Image:
    """Draw a shadow on a wall or on the ground as an image to multiply by, 255 where there is none."""
    side = max(alpha.size)
    shape, (x, y) = alpha, at
    if rng.random() < 0.5:
        flat = max(2, int(alpha.height * rng.uniform(0.1, 0.5)))
        lean = rng.uniform(-1.2, 1.2)
        width = alpha.width + int(abs(lean) * flat)
        shift = lean * flat if lean > 0 else 0.0
        shape = alpha.resize((alpha.width, flat))
        shape = shape.transform((width, flat), Image.Transform.AFFINE, (1, lean, -shift, 0, 1, 0))
        x, y = x - int(max(0.0, -shift)), y + alpha.height - flat
    else:
        x, y = (v + int(side * rng.uniform(-0.12, 0.12)) for v in at)
    light = Image.new("L", size)
    light.paste(shape, (x, y))
    dark = rng.uniform(0.25, 0.8)
    return light.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.005, 0.06))).point(lambda v: 255 - v * dark)


def jitter(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Random brightness, contrast, saturation, hue; sometimes grey, blurred, dark, noisy or compressed."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.6:
            image = enhance(image).enhance(rng.uniform(0.65, 1.4))
    draw = rng.random()
    if draw < 0.08:
        hsv = np.array(image.convert("HSV"))
        hsv[..., 0] += rng.integers(256, dtype=np.uint8)
        image = Image.fromarray(hsv, "HSV").convert("RGB")
    elif draw < 0.12:
        image = image.convert("L").convert("RGB")
    elif draw < 0.18:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
    elif draw < 0.28:
        dark = rng.uniform(0.2, 0.6) if draw < 0.23 else 1.0
        noisy = np.asarray(image, np.float32) * dark + rng.normal(0, rng.uniform(2, 12), (image.height, image.width, 3))
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    elif draw < 0.35:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(25, 70)))
        image = Image.open(stream).convert("RGB")
    return image


def choose_label(rng: np.random.Generator, labels: np.ndarray, smallest: float) -> int | None:
    """Draw a label, large ones more often; None if all cover less than `smallest` or more than 0.95 of the image."""
    counts = np.bincount(labels.ravel(), minlength=256).astype(float)
    counts[0] = 0
    counts[(counts < smallest * labels.size) | (counts > 0.95 * labels.size)] = 0
    if not counts.any():
        return None
    weights = np.sqrt(counts)
    return int(rng.choice(256, p=weights / weights.sum()))
