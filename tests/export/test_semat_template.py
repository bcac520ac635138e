"""SEMat's template, completed with a small checkpoint of the authors' layout: against torch, and behind a model."""

import json
import pickle

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from export import templates
from mam import Matting, Scene, WeightsError
from mam.cli import main
from mam.model import semat
from mam.model.folders import TEMPLATES
from mam.model.load_matte import load_matte
from mam.model.template import complete_graph, read_manifest
from mam.weights.checkpoint_reader import read_tensors
from tests.conftest import EXAMPLES, FLOWER_BOX, ROOT
from tests.small_semat import SMALL, build_small, write_checkpoint

UNUSED = (
    "sam_model.prompt_encoder.mask_downscaling.",
    "sam_model.mask_decoder.output_hypernetworks_mlps.",
    "sam_model.mask_decoder.iou_prediction_head.",
)
"""Of SAM: for other prompts than boxes, and for its own masks and their quality."""

BOX = torch.tensor([[100.0, 200.0, 499.0, 699.0]])


@pytest.fixture(scope="module")
def net():
    return build_small()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semat")
    templates.write_semat(folder, SMALL)
    return folder


@pytest.fixture()
def checkpoint(net, template, tmp_path, monkeypatch):
    monkeypatch.setattr(semat, "TEMPLATE", template)
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    write_checkpoint(net, tmp_path / semat.FILE)
    return tmp_path / semat.FILE


def test_the_shipped_template_names_the_authors_tensors() -> None:
    shapes = json.loads((ROOT / "tests" / "reference" / "semat_state_dict.json").read_text())
    (part,) = read_manifest(TEMPLATES / "semat").values()
    assert part.checkpoint == semat.FILE and (TEMPLATES / "semat" / "semat.onnx").is_file()
    assert {name: list(shape) for name, shape in part.shapes.items()}.items() <= shapes.items()
    unused = {name for name in shapes.keys() - part.shapes.keys() if not name.endswith("num_batches_tracked")}
    assert {name for name in unused if not name.startswith(UNUSED)} == set()


def test_the_answer_equals_torchs(net, checkpoint) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 450, 3), np.uint8)
    trimap = np.zeros((1024, 768), np.uint8)
    trimap[200:700, 100:500], trimap[300:600, 200:400] = 128, 255
    network = load_matte("semat", "cpu", 1)
    alpha = network.run(pixels, trimap)
    padded = np.zeros((1024, 1024, 3), np.uint8)
    padded[:, :768] = Image.fromarray(pixels).resize((768, 1024), Image.Resampling.BILINEAR)
    image = (padded / np.float32(255) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        # The authors' boxes end at the last pixel.
        values = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        expected, shifted = (net(values, box)[0, 0, :, :768] for box in (BOX, BOX + 10))
    assert alpha.shape == trimap.shape and alpha.dtype == np.float32
    assert np.abs(alpha - expected.numpy()).max() < 1e-5 < (shifted - expected).abs().max() / 100


def test_lora_is_merged_when_the_graph_is_loaded(checkpoint, template, tmp_path) -> None:
    (part,) = read_manifest(template).values()
    graph = complete_graph(template / "semat.onnx", part.shapes, read_tensors(checkpoint), checkpoint)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(tmp_path))
    onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
    optimized = onnx.load(tmp_path / "optimized.onnx", load_external_data=False)
    lora = [name for name in part.shapes if "lora_" in name]
    assert len(lora) == 2 * (1 + 2 * 5) and not set(lora) & {tensor.name for tensor in optimized.graph.initializer}


def test_the_template_holds_no_weights(template, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(templates, "SEED", 1)
    templates.write_semat(tmp_path, SMALL)
    for file in template.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_it_computes_mattes_behind_any_model(checkpoint, flower, tmp_path) -> None:
    box, photo, out = ",".join(map(str, FLOWER_BOX)), str(EXAMPLES / "flower.jpg"), tmp_path / "flower.png"
    found = []
    for matte in ("semat", str(checkpoint)):
        assert main(["matte", photo, "--box", box, "--matte", matte, "--alpha", "-o", str(out)]) == 0
        found.append(np.asarray(Image.open(out)))
    network = pickle.loads(pickle.dumps(load_matte(checkpoint, "cpu")))
    assert repr(network) == "Semat(SEMat_SAM.pth on CPUExecutionProvider)"
    scene = Scene(flower.graphs, flower.photo, matte_network=network)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], scene.matte(box=FLOWER_BOX).alpha_uint8())
    x, y = 20, 20
    clicked = scene.matte(box=FLOWER_BOX, points=[(314, 220), (x, y)], labels=[1, 0]).alpha
    assert clicked[220, 314] > 0.9 and clicked[y, x] < 0.1


def test_other_checkpoints_are_refused(checkpoint, tmp_path) -> None:
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 1024)}, tmp_path / "sam_vit_l_0b3195.pth")
    with pytest.raises(WeightsError, match=r"does not fit \w+/semat.onnx: .* missing .* seems to hold SAM ViT-L\.$"):
        Matting.load(device="cpu", matte=tmp_path / "sam_vit_l_0b3195.pth")
