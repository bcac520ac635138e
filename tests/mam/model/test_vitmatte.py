"""ViTMatte's file: its inputs and outputs, against transformers, and how it is found."""

import pickle

import numpy as np
import pytest

from mam import GraphError, Matting, WeightsError, weights
from mam.model.contract import Graph, Tensor
from mam.model.load_matte import load_matte
from mam.model.vitmatte import FILE, ViTMatte
from mam.weights import WeightFile
from tests.vitmatte import write_red


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    return write_red(tmp_path_factory.mktemp("red") / "red.onnx")


def test_only_the_unknown_is_computed(red) -> None:
    network = ViTMatte.load(red, "cpu", threads=1)
    data = pickle.dumps(network)
    assert len(data) < 1000
    pixels = np.zeros((300, 200, 3), np.uint8)
    pixels[150:, :, 0] = 51
    trimap = np.full((1024, 683), 128, np.uint8)
    trimap[:, :100], trimap[:, -100:] = 0, 255
    alpha = pickle.loads(data).run(pixels, trimap)
    assert alpha.shape == trimap.shape and alpha.dtype == np.float32
    assert (alpha[:, :100] == 0).all() and (alpha[:, -100:] == 1).all()
    assert (alpha[:500, 100:-100] == 0).all() and np.allclose(alpha[524:, 100:-100], 0.2)


@pytest.mark.slow
def test_alphas_equal_those_of_transformers(tmp_path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from export.trace import trace

    backbone = transformers.VitDetConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=1024,
        pretrain_image_size=224,
        num_channels=4,
        window_size=14,
        window_block_indices=[0],
        residual_block_indices=[0],
        use_relative_position_embeddings=True,
        out_features=["stage1"],
    )
    sizes = {"convstream_hidden_sizes": [8, 8, 8], "fusion_hidden_sizes": [16, 8, 8, 8]}
    config = transformers.VitMatteConfig(backbone_config=backbone, hidden_size=32, **sizes)
    model = transformers.VitMatteForImageMatting(config).eval()
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    ports = (Tensor("pixel_values", "float32", (1, 4, 1024, 1024)),), (Tensor("alphas", "float32", (1, 1, 1024, 1024)),)
    file = tmp_path / "seeded.onnx"
    trace(Graph("vitmatte", *ports), model, (torch.zeros(1, 4, 1024, 1024),), file)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (1024, 1024, 3), np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (1024, 1024))
    prepared = transformers.VitMatteImageProcessorPil(do_normalize=False)(pixels, trimap, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**prepared).alphas[0, 0].numpy()
    assert expected.std() > 0.01
    alpha = ViTMatte.load(file, "cpu", threads=1).run(pixels, trimap)
    assert np.abs(alpha - expected)[trimap == 128].max() < 1e-5


def test_the_published_file_is_verified(red, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match=f"{FILE} is not in .* MAM_OFFLINE"):
        Matting.load(device="cpu", matte="vitmatte")
    (tmp_path / FILE).write_bytes(red.read_bytes())
    with pytest.raises(WeightsError, match="damaged or another file"):
        Matting.load(device="cpu", matte="vitmatte")
    monkeypatch.setitem(weights.REGISTRY, FILE, WeightFile(FILE, "", "", sha256=weights.sha256(red)))
    network = Matting.load(device="cpu", matte="vitmatte").matte_network
    assert repr(network) == f"ViTMatte({FILE} on CPUExecutionProvider)"


def test_other_files_are_refused(red, tmp_path) -> None:
    with pytest.raises(GraphError, match=r"'best'; expected 'vitmatte', 'semat', or the path"):
        Matting.load(device="cpu", matte="best")
    with pytest.raises(GraphError, match=r"has the inputs \[\('pixel_values', \[1, 4, 'h', 'w'\]\)\]; expected"):
        ViTMatte.load(write_red(tmp_path / "dynamic.onnx", ("h", "w")), "cpu")
    onnx = pytest.importorskip("onnx")
    model = onnx.load(red)
    model.graph.output.append(onnx.helper.make_tensor_value_info("pixel_values", 1, (1, 4, 1024, 1024)))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(GraphError, match="has 2 outputs"):
        ViTMatte.load(tmp_path / "two.onnx", "cpu")
    del model.graph.output[0]
    onnx.save(model, tmp_path / "FOUR.ONNX")
    network = load_matte(tmp_path / "FOUR.ONNX", "cpu")
    trimap = np.full((1024, 1024), 128, np.uint8)
    trimap[0] = 255
    with pytest.raises(GraphError, match=r"answers with the shape \(1, 4, 1024, 1024\)"):
        network.run(np.zeros((9, 9, 3), np.uint8), trimap)
