"""A training folder of a few made-up images, in the real layout."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for source, stems in {
        "coco": ["1", "2"],
        "ccp": ["a", "b"],
        "davis": ["cow_00", "cow_01", "dog_00"],
        "bsds": ["r"],
    }.items():
        folder = root / "photos" / source
        folder.mkdir(parents=True)
        for stem in stems:
            y, x = np.mgrid[:90, :120]
            labels = np.uint8(np.hypot(x - rng.integers(40, 80), y - 45) < 25) + np.uint8(x < 15) * 2
            image = np.uint8(np.clip(labels[..., None] * 80 + rng.integers(0, 90, (90, 120, 3)), 0, 255))
            Image.fromarray(image).save(folder / f"{stem}.jpg")
            Image.fromarray(labels).save(folder / f"{stem}.png")
    (root / "cutouts" / "emoji").mkdir(parents=True)
    disc = np.uint8(np.hypot(*np.mgrid[-32:32, -32:32]) < 28) * 255
    Image.fromarray(np.dstack([np.full((64, 64, 3), 200, np.uint8), disc])).save(
        root / "cutouts" / "emoji" / "1f600.webp"
    )
    (root / "backgrounds" / "hills").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(root / "backgrounds" / "hills" / "1.jpg")
    return root


@pytest.fixture(scope="session")
def main_objects(tmp_path_factory):
    """Two soft masks of main objects, as webp and png."""
    root = tmp_path_factory.mktemp("main")
    folder = root / "photos" / "duts"
    folder.mkdir(parents=True)
    disc = np.clip(30 - np.hypot(*np.mgrid[-45:45, -60:60]), 0, 1)
    rng = np.random.default_rng(0)
    for name in "ab":
        pixels = (disc[..., None] * 150 + rng.integers(0, 90, (90, 120, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.webp")
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"{name}.png")
    return root


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """The paper's data sets, two files each, in the folders they unpack to."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    disc = Image.fromarray(np.uint8(255 * np.clip(40 - np.hypot(*np.mgrid[-50:50, -60:60]), 0, 1)))
    for images, alphas in {
        "AIM/Combined_Dataset/fg": "AIM/Combined_Dataset/alpha",
        "Distinctions-646/Train_ori/FG": "Distinctions-646/Train_ori/GT",
        "Human2K/Train/FG": "Human2K/Train/Alpha",
        "AM2k/train/fg": "AM2k/train/mask",
        "RefMatte/train/img_full": "RefMatte/train/mask",
        "COCO/train2017": None,
        "BG20k/full": None,
    }.items():
        for name in "ab":
            for folder, content in (
                (images, Image.fromarray(rng.integers(0, 255, (100, 120, 3), np.uint8))),
                (alphas, disc),
            ):
                if folder:
                    (root / folder).mkdir(parents=True, exist_ok=True)
                    content.save(root / folder / f"{name}.{'png' if folder == alphas else 'jpg'}")
    return root
