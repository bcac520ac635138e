"""Conversion between the original and the input frame."""

import numpy as np
from PIL import Image

from mam.model.frames import PIXEL_MEAN, PIXEL_STD, Frame, normalise, resize_to_input


def test_rounding_is_the_authors_for_every_size() -> None:
    for longest in range(1, 3000, 7):
        for side in {1, longest // 3 + 1, longest // 2 + 1, longest}:
            scale = 1024 / longest
            expected = max(1, int(side * scale + 0.5))
            assert Frame.of((0, 0, side, longest)).input_size == (1024, expected)


def test_coordinates_scale_per_axis() -> None:
    frame = Frame.of((30, 20, 670, 447))  # 683 rows: 1.5995 per row, 1.6 per column
    x, y = frame.to_input(np.array([670, 447]))
    assert (x, y) == (1024, 683) and frame.original_size == (427, 640)


def test_a_stretched_frame_has_no_padding() -> None:
    frame = Frame.of((30, 20, 670, 447), stretch=True)
    assert frame.input_size == (1024, 1024) and frame.mask_size == (256, 256)
    assert frame.to_input(np.array([[30, 20], [670, 447]])).tolist() == [[0, 0], [1024, 1024]]
    pixels = np.random.default_rng(0).integers(0, 255, (427, 640, 3), np.uint8)
    assert (normalise(resize_to_input(pixels, frame))[0, 0] != 0).mean() > 0.99


def test_input_image_is_normalised_then_padded() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)
    image = normalise(resize_to_input(pixels, Frame.of((0, 0, 200, 100))))
    assert image.shape == (1, 3, 1024, 1024) and image.dtype == np.float32
    assert (image[0, :, 512:] == 0).all()
    resized = np.asarray(Image.fromarray(pixels).resize((1024, 512), Image.Resampling.BILINEAR), np.float32)
    expected = (resized - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)
    assert np.allclose(image[0, :, :512], expected.transpose(2, 0, 1), atol=1e-6)
