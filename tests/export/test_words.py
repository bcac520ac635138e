"""The graph of the embedded text model: parity with torch for any image size, precision, size, origin."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from export.words import HEAD, load_finder
from mam.model.folders import BUNDLE
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.tiny.backbone import find_backbone
from mam.nets.tiny.words import WordFinder, read_classes


def run(file, image: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]


@pytest.mark.parametrize("size", [(32, 32), (96, 160), (320, 64)])
def test_the_embedded_graph_is_the_export_of_the_embedded_head(size) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 3, *size)
    with torch.inference_mode():
        expected = load_finder(BUNDLE / HEAD)(image).numpy()
    # Sums in another order, in single precision.
    np.testing.assert_allclose(run(BUNDLE / "words.onnx", image.numpy()), expected, atol=2e-3)


def test_rounded_weights_change_probabilities_little() -> None:
    exact = WordFinder(list(read_classes().values())).eval()
    exact.classifier.load_pretrained(find_backbone())
    checkpoint.fill(exact.head, checkpoint.read_state(BUNDLE / HEAD, VARIANTS["tiny"]), [BUNDLE / HEAD])
    torch.manual_seed(0)
    image = torch.nn.functional.interpolate(torch.randn(1, 3, 10, 10), (160, 160), mode="bilinear")
    with torch.inference_mode():
        difference = np.exp(run(BUNDLE / "words.onnx", image.numpy())) - exact(image).exp().numpy()
    assert 0 < np.abs(difference).max() < 0.05  # halves have 11 bits, the last layer 8
