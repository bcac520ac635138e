"""Temporary files and their names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.downloads import Downloads, safe_name


def test_old_files_are_removed_when_new_ones_come() -> None:
    downloads = Downloads(seconds=-1)
    first = downloads.png(np.zeros((2, 2), np.uint8), "a/b:c_alpha")
    assert Path(first).name == "a_b_c_alpha.png" and Path(first).exists()
    second = downloads.jpeg(np.zeros((2, 2, 3), np.uint8), "a")
    assert not Path(first).exists() and Image.open(second).format == "JPEG"


@pytest.mark.parametrize(
    "name, safe",
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("...", "image"),
        ("猫" * 200 + ".png", "猫" * 66 + ".png"),
        ("a.b", "a.b"),
        ('a<b>"c|d?.png', "a_b_c_d_.png"),
    ],
)
def test_names_are_safe_on_every_system(name, safe) -> None:
    assert safe_name(name) == safe
