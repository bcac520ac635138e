"""The encoding of a crop: the pixels that the encoder gets, and the frame of the crop."""

import numpy as np
import pytest

from mam.masks.decoding import believe
from mam.masks.encoded_crop import EncodedCrop
from mam.masks.prompts import Prompt
from mam.model.contract import InferencePolicy
from mam.model.frames import Frame, normalise, resize_to_input
from tests.mock_graphs import MockGraphs


class LastImage(MockGraphs):
    """Keeps the image that it encoded."""

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.image = image
        return super().encode(image)


def test_a_crop_is_encoded_as_an_image_of_its_own() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    graphs = LastImage()
    encoded = EncodedCrop.encode(graphs, pixels, (10, 20, 70, 50))
    assert encoded.box == (10, 20, 70, 50) and encoded.frame == Frame.of((10, 20, 70, 50))
    assert encoded.frame.input_size == (512, 1024)
    alone = np.ascontiguousarray(pixels[20:50, 10:70])
    assert np.array_equal(graphs.image, normalise(resize_to_input(alone, encoded.frame)))
    assert np.array_equal(encoded.input_image, graphs.image)
    assert encoded.features["image_embeddings"].shape == (1, 256, 64, 64)


def test_sam_2_sees_a_crop_stretched_and_mask_to_matte_does_not() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    graphs = LastImage()
    graphs.policy = InferencePolicy(sam2=True)
    encoded = EncodedCrop.encode(graphs, pixels, (10, 20, 70, 50))
    assert encoded.frame.input_size == (1024, 1024) and (graphs.image[0, :, 1000] != 0).any()
    mask = np.zeros((60, 90), bool)
    mask[25:45, 20:60] = True
    image, _, logits, input_size, _ = encoded.matte_inputs([believe(Prompt(mask=mask).check((60, 90)), encoded.frame)])
    assert input_size == (512, 1024) and not image[0, :, 512:].any()
    assert (logits[0, 0, :128] > 0).mean() == pytest.approx(40 * 20 / (60 * 30), abs=0.02) and (logits < 0)[
        ..., 128:, :
    ].all()
