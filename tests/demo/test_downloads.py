"""Temporary files and their names."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.downloads import Downloads, safe_name


def test_old_files_are_removed_when_new_ones_come() -> None:
    downloads = Downloads(seconds=-1)
    first = downloads.png(np.zeros((2, 2), np.uint8), "a/b:c", "alpha")
    assert Path(first).name == "a_b_c_alpha.png" and Path(first).exists()
    second = downloads.jpeg(np.zeros((2, 2, 3), np.uint8), "a", "result")
    assert not Path(first).exists() and Image.open(second).format == "JPEG"


def test_a_swept_folder_is_made_again() -> None:
    downloads = Downloads()
    shutil.rmtree(downloads._folder.name)
    assert Path(downloads.png(np.zeros((2, 2), np.uint8), "a", "alpha")).exists()


@pytest.mark.parametrize(
    "name, ending, safe",
    [
        ("../../etc/passwd", "", "_.._etc_passwd"),
        ("...", ".png", "image.png"),
        ("\u732b" * 200, "_2_tail_cutout.png", "\u732b" * 60 + "_2_tail_cutout.png"),
        ("a.b", ".png", "a.b.png"),
        ('a<b>"c|d?', ".png", "a_b_c_d_.png"),
        ("con", ".png", "_con.png"),
    ],
)
def test_names_are_safe_on_every_system(name, ending, safe) -> None:
    assert safe_name(name, ending) == safe
