"""Fixtures: small folders in the layouts of the benchmarks."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """The flower example at half its size."""
    return Image.open(EXAMPLES / "flower.jpg").convert("RGB").resize((320, 214))


@pytest.fixture(scope="session")
def alpha() -> Image.Image:
    """An ellipse with a soft edge, roughly the blossom's alpha."""
    y, x = np.mgrid[:214, :320]
    distance = np.hypot((x - 156) / 66, (y - 110) / 69)
    return Image.fromarray(np.uint8(255 * np.clip((1 - distance) * 30 + 0.5, 0, 1)))


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory, photo, alpha):
    """Return a function: layout -> a folder of that layout with two images, or one image with two instances."""
    trimap = Image.fromarray(
        np.where((np.asarray(alpha) > 0) & (np.asarray(alpha) < 255), 128, np.asarray(alpha)).astype(np.uint8)
    )

    def put(root, images, alphas, trimaps=None, suffix=".png"):
        for name in ("one", "two"):
            files = {f"{images}/{name}.jpg": photo, f"{alphas}/{name}{suffix}": alpha}
            if trimaps:
                files[f"{trimaps}/{name}.png"] = trimap
            for file, content in files.items():
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                content.save(root / file)

    def build(layout: str):
        root = tmp_path_factory.mktemp(layout)
        if layout == "ppm100":
            put(root, "image", "matte", suffix=".jpg")
        elif layout == "am2k":
            put(root, *(f"validation/{kind}" for kind in ("original", "mask", "trimap")))
        elif layout == "pm10k":
            put(root, *(f"validation/P3M-500-NP/{kind}" for kind in ("original_image", "mask", "trimap")))
        elif layout == "rwp636":
            put(root, "image", "alpha")
        elif layout in ("him2k", "him2k_comp"):
            half = "comp" if layout.endswith("comp") else "natural"
            files = {f"images/{half}/crowd.jpg": photo, f"alphas/{half}/crowd/00.png": alpha}
            files[f"alphas/{half}/crowd/01.png"] = Image.fromarray(np.uint8(np.mgrid[:214, :320][1] < 40) * 255)
            for file, content in files.items():
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                content.save(root / file)
        elif layout == "rw100":
            put(root, "image_all", "mask")
            names = ("one", "two")
            label = {n: {"image_name": f"{n}.jpg", "expressions": ["a flower", f"the flower {n}"]} for n in names}
            (root / "refmatte_rw100_label.json").write_text(json.dumps(label))
            (root / "eval_index_expression.json").write_text(json.dumps({f"{n}.jpg": 1 for n in names}))
        elif layout == "pairs":
            for folder in ("a", "b"):
                (root / folder).mkdir()
                photo.save(root / folder / "flower.jpg")
                alpha.save(root / folder / "flower_alpha.png")
        else:
            for source in ("davis", "ccp"):
                folder = root / "photos" / source
                folder.mkdir(parents=True)
                photo.save(folder / "flower.jpg")
                labels = np.uint8(np.asarray(alpha) > 127)
                labels[:3, :3] = 2  # too small to be a case; in ccp, a part of the person
                Image.fromarray(labels).save(folder / "flower.png")
        return root

    built: dict[str, object] = {}
    return lambda layout: built.setdefault(layout, None) or built.update({layout: build(layout)}) or built[layout]
