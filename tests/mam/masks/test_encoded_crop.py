"""The encoding of a crop: the pixels that the encoder gets, and the frame of the crop."""

import numpy as np

from mam.masks.encoded_crop import EncodedCrop
from mam.model.frames import Frame, to_input_image
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
    assert np.array_equal(graphs.image, to_input_image(alone, encoded.frame))
    assert encoded.input_image is graphs.image and encoded.features["image_embeddings"].shape == (1, 256, 64, 64)
