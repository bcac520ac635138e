"""SEMat against values that the authors' code gave, and its tensors against those of the authors' network."""

import json
from pathlib import Path

import numpy as np
import torch

from mam.nets.resample import resample
from mam.nets.semat.network import SematNetwork
from tests.small_semat import build_small

REFERENCE = Path(__file__).parents[2] / "reference"


@torch.inference_mode()
def test_values_of_the_authors_code_are_reproduced() -> None:
    net = build_small()
    image = torch.from_numpy(np.random.default_rng(5).standard_normal((1, 3, 1024, 1024), np.float32))
    box = torch.tensor([[200.0, 150.0, 823.0, 700.0]])
    with np.load(REFERENCE / "semat.npz") as golden:
        embeddings, features = net.encode(image, box)
        trimap = resample(net.predict_trimap(embeddings, features[0], box), 4)
        # The sums of torch's kernels differ in their order from processor to processor.
        np.testing.assert_allclose(trimap.flatten()[golden["trimap_places"]], golden["trimap"], atol=1e-3)
        alpha = net.matting_decoder(image, trimap, features)
        np.testing.assert_allclose(alpha.flatten()[golden["alpha_places"]], golden["alpha"], atol=1e-4)
        assert golden["trimap"].std() > 1 and golden["alpha"].std() > 0.05


def test_the_real_layout_has_the_authors_tensors() -> None:
    shapes = json.loads((REFERENCE / "semat_state_dict.json").read_text())
    with torch.device("meta"):
        ours = {name: list(tensor.shape) for name, tensor in SematNetwork().state_dict().items()}
    assert ours == shapes and len(shapes) == 885
