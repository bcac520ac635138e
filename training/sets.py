"""Training examples for the matte stage from the paper's data sets.

They are in one folder as they unpack; any may be missing:

    AIM/Combined_Dataset/{fg,alpha}    foregrounds and alphas
    Distinctions-646/Train_ori/{FG,GT}
    Human2K/Train/{FG,Alpha}
    AM2k/train/{fg,mask}
    RefMatte/train/{img_full,mask}     whole images, one matte each
    COCO/train2017    BG20k/full       backgrounds

Each has to be requested from its owners; none may be redistributed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mam.model.frames import SIDE
from training.augmentation import jitter
from training.composites import choose_instance

_FOREGROUNDS = (
    ("AIM/Combined_Dataset/fg", "AIM/Combined_Dataset/alpha"),
    ("Distinctions-646/Train_ori/FG", "Distinctions-646/Train_ori/GT"),
    ("Human2K/Train/FG", "Human2K/Train/Alpha"),
    ("AM2k/train/fg", "AM2k/train/mask"),
)
_IMAGES = ("RefMatte/train/img_full", "RefMatte/train/mask")
_BACKGROUNDS = ("COCO/train2017", "BG20k/full")


class SetComposites:
    """Examples in the form of `training.composites.Composites`.

    Args:
        root: see the module's docstring.
        seed: seeds all random choices; `examples[i]` depends on (seed, i) alone.

    Raises:
        FileNotFoundError: no foregrounds, or foregrounds without backgrounds.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.seed = seed
        self.foregrounds = [pairs for folders in _FOREGROUNDS if (pairs := _pairs(root, *folders))]
        self.images = _pairs(root, *_IMAGES)
        self.backgrounds = [files for folder in _BACKGROUNDS if (files := _files(root / folder))]
        if not self.images and not (self.foregrounds and self.backgrounds):
            raise FileNotFoundError(
                f"{root} holds neither RefMatte nor a set of foregrounds with a set of backgrounds; "
                "see training/sets.py."
            )

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """One example, as of `Composites`; `known` is 1 everywhere inside the padding."""
        rng = np.random.default_rng((self.seed, index))
        whole = self.images and (not self.foregrounds or not self.backgrounds or rng.random() < 0.2)
        image, alpha = self._image(rng) if whole else self._composite(rng)
        image = jitter(rng, image)
        w, h = image.size
        canvas, matte = np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
        canvas[:h, :w], matte[:h, :w] = np.asarray(image), np.asarray(alpha)
        known = np.zeros((SIDE, SIDE), np.uint8)
        known[:h, :w] = 1
        return {"image": canvas, "alpha": matte, "known": known, "valid": np.array([h, w])}

    def _image(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
        image_file, alpha_file = self.images[rng.integers(len(self.images))]
        image, alpha = Image.open(image_file).convert("RGB"), Image.open(alpha_file).convert("L")
        scale = SIDE / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return image.resize(size, Image.Resampling.BILINEAR), alpha.resize(size, Image.Resampling.BILINEAR)

    def _composite(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
        """One foreground, sometimes with a second one beside or over it, on a background that fills the frame."""
        files = self.backgrounds[rng.integers(len(self.backgrounds))]
        image = Image.open(files[rng.integers(len(files))]).convert("RGB")
        scale = SIDE / min(image.size)
        image = image.resize((max(SIDE, round(image.width * scale)), max(SIDE, round(image.height * scale))))
        x, y = int(rng.integers(image.width - SIDE + 1)), int(rng.integers(image.height - SIDE + 1))
        image = image.crop((x, y, x + SIDE, y + SIDE))
        image, alpha = self._place(rng, image)
        if rng.random() < 0.25:
            image, other = self._place(rng, image)
            alpha = choose_instance(rng, alpha, other)
        return image, alpha

    def _place(self, rng: np.random.Generator, image: Image.Image) -> tuple[Image.Image, Image.Image]:
        pairs = self.foregrounds[rng.integers(len(self.foregrounds))]
        colour_file, alpha_file = pairs[rng.integers(len(pairs))]
        colours, alpha = Image.open(colour_file).convert("RGB"), Image.open(alpha_file).convert("L")
        if alpha.size != colours.size:
            alpha = alpha.resize(colours.size, Image.Resampling.BILINEAR)
        # A random affine map: scale, rotation, mirroring and shear, then a position in the frame.
        scale = rng.uniform(0.5, 1.1) * SIDE / max(colours.size)
        turn, shear, flip = rng.normal(0, 0.15), rng.normal(0, 0.08), rng.choice([-1, 1])
        forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [
            [flip * scale, shear * scale],
            [0, scale],
        ]
        back = np.linalg.inv(forward)
        offset = np.array(colours.size) / 2 - back @ (rng.uniform(0.3, 0.7, 2) * SIDE)
        data = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
        layer, cover = (
            part.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
            for part in (colours, alpha)
        )
        return Image.composite(jitter(rng, layer), image, cover), cover


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def _pairs(root: Path, images: str, alphas: str) -> list[tuple[Path, Path]]:
    """Files of both folders with the same stem."""
    by_stem = {path.stem: path for path in _files(root / alphas)}
    return [(path, by_stem[path.stem]) for path in _files(root / images) if path.stem in by_stem]
