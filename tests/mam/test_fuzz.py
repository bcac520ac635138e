"""Damaged image files of every format: whatever happens is an image or one of the package's errors.

`MAM_FUZZ=20000 pytest tests/mam/test_fuzz.py` tries more of them.
"""

import contextlib
import io
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from mam.errors import MamError
from mam.images import open_mask, open_photo
from tests.conftest import ROOT

EXAMPLES = int(os.environ.get("MAM_FUZZ", 60))
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO"]
FORMATS += [name for name, part in (("AVIF", "avif"), ("JPEG2000", "jpg_2000")) if features.check(part)]
LIMIT = 200_000  # pixels


def encode(kind: str, mode: str) -> bytes | None:
    """Return a small image of a format in a mode, or None if the format has no such mode."""
    y, x = np.mgrid[:24, :32]
    image = Image.fromarray(np.uint8(np.dstack([x * 8, y * 10, x + y, 255 - 8 * x])), "RGBA").convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    try:
        image.save(stream, kind, exif=exif, icc_profile=b"no profile" * 20)
    except (OSError, ValueError, KeyError):
        return None
    return stream.getvalue()


SEEDS = [c for kind in FORMATS for mode in ("RGB", "RGBA", "L", "P", "1", "CMYK", "F") if (c := encode(kind, mode))]
SEEDS += [file.read_bytes() for file in (ROOT / "tests" / "reference").glob("*.heic")]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return an image file with some bytes changed, left out, repeated or cut off."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["change", "cut", "insert", "repeat", "end"]))
        if kind == "change":
            content[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "repeat":
            content[at:at] = content[at : at + 16]
        else:
            del content[at:]
    return bytes(content)


@pytest.mark.parametrize("read", [open_photo, open_mask])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged())
def test_damaged_files(read, content: bytes) -> None:
    with warnings.catch_warnings(), contextlib.suppress(MamError):
        warnings.simplefilter("ignore")  # Pillow warns of broken tags
        answer = read(content, LIMIT)
        pixels = answer if isinstance(answer, np.ndarray) else answer.pixels
        assert pixels.size and pixels.shape[0] * pixels.shape[1] <= LIMIT
