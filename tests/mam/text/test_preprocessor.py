"""The image input of the grounding model: size, padding and normalisation."""

import numpy as np
import pytest

from mam.text import Preprocessor


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [(480, 640), (640, 480), (427, 640), (3000, 500), (800, 800), (799, 1333), (33, 4000), (1, 50)]
)
def test_images_are_prepared_as_in_transformers(size) -> None:
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image, mask = Preprocessor().place(pixels)
    h, w = Preprocessor().resized_size(size)
    height, width = image.shape[2:]
    assert height % 32 == width % 32 == 0 and not image[:, :, ~mask[0]].any()
    assert height == max(256, h + -h % 32) and width == max(256, w + -w % 32)
    assert mask[0, :h, :w].all() and mask.sum() == h * w
    processed = GroundingDinoImageProcessorPil()(pixels, return_tensors="np", input_data_format="channels_last")
    expected = processed["pixel_values"]
    assert expected.shape == (1, 3, h, w)
    # Division by 255 before the normalisation, not within it, changes the last digits of float32.
    assert np.abs(image[:, :, :h, :w] - expected).max() < 1e-5


def test_thin_images_keep_a_pixel() -> None:
    assert Preprocessor().resized_size((1, 5000)) == (1, 1333) and Preprocessor(side=800).resized_size((5000, 1)) == (
        800,
        1,
    )
    image, mask = Preprocessor(side=64, shortest=48, smallest=64).place(np.full((1, 3000, 3), 9, np.uint8))
    assert mask.sum() == 64 and np.isfinite(image).all()
