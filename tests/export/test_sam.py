"""Graphs with the inputs and outputs of Meta's ONNX export, fed as its notebook and the annotation tools feed them."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from export.__main__ import main
from export.sam import write_sam
from mam.images import open_photo
from mam.images.boxes import full_box
from mam.model.frames import Frame, normalise, resize_to_input
from mam.model.runtime import load_graphs
from mam.model.steps import decode, encode
from tests.conftest import EXAMPLES

OFFICIAL = ["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size"]
CLICK = ([[330, 240], [0, 0]], [1, -1])
BOX = ([[178, 82], [450, 360], [0, 0]], [2, 3, -1])  # tools append a padding point to a box too


def opened(folder, name):
    return ort.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=["mini", "vit_b"])
def exported(request, tmp_path_factory):
    """A variant with packed features, or a small SAM: folder, name, and the ordinary graphs."""
    net, graphs = {"mini": ("model", "graphs_folder"), "vit_b": ("small_sam", "small_sam_folder")}[request.param]
    folder = tmp_path_factory.mktemp("sam")
    write_sam(request.getfixturevalue(net), "seed 0", folder)
    return folder, request.param, load_graphs(request.getfixturevalue(graphs), "cpu")


def resize(values, size):
    return torch.nn.functional.interpolate(values, size, mode="bilinear", align_corners=False)


@pytest.fixture(scope="module", params=["landscape", "portrait"])
def pixels(request):
    whole = open_photo(EXAMPLES / "flower.jpg").pixels
    return whole if request.param == "landscape" else np.ascontiguousarray(whole[:, 100:500])


def test_names_are_metas(exported) -> None:
    folder, name, _ = exported
    decoder = onnx.load(folder / f"{name}.decoder.onnx").graph
    assert [value.name for value in decoder.input] == OFFICIAL
    assert [value.name for value in decoder.output] == ["masks", "iou_predictions", "low_res_masks"]
    for encoder in ("encoder", "encoder_hwc"):
        graph = onnx.load(folder / f"{name}.{encoder}.onnx").graph
        assert [value.name for value in graph.output] == ["image_embeddings"]
    files = {"encoder.onnx", "encoder_hwc.onnx", "decoder.onnx", "yaml"}
    assert {path.name for path in folder.iterdir()} == {f"{name}.{file}" for file in files}
    config = dict(line.split(": ") for line in (folder / f"{name}.yaml").read_text().splitlines())
    assert config["type"] == "segment_anything" and (folder / config["encoder_model_path"]).is_file()
    assert (folder / config["decoder_model_path"]).is_file()


def test_both_encoders_agree(exported, pixels) -> None:
    folder, name, _ = exported
    frame = Frame.of(full_box(pixels.shape[:2]))
    image = normalise(resize_to_input(pixels, frame))
    h, w = frame.input_size
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    resized = (image[0, :, :h, :w].transpose(1, 2, 0) * std + mean).round().astype(np.float32)
    (expected,) = opened(folder, f"{name}.encoder").run(None, {"x": image})
    (got,) = opened(folder, f"{name}.encoder_hwc").run(None, {"input_image": resized})
    # Rounding: the normalisation inside the graph sums in another order.
    assert got.shape == expected.shape and np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("prompt", [CLICK, BOX], ids=["click", "box"])
def test_masks_are_those_of_the_ordinary_decoder(exported, pixels, prompt) -> None:
    folder, name, graphs = exported
    frame = Frame.of(full_box(pixels.shape[:2]))
    image = normalise(resize_to_input(pixels, frame))
    coords, labels = frame.to_input(np.array(prompt[0]))[None], np.array([prompt[1]], np.float32)
    none, no = np.zeros((1, 1, 256, 256), np.float32), np.zeros(1, np.float32)
    (embeddings,) = opened(folder, f"{name}.encoder").run(None, {"x": image})
    decoder = opened(folder, f"{name}.decoder")
    size = np.array(pixels.shape[:2], np.float32)
    masks, scores, low_res = decoder.run(
        None, dict(zip(OFFICIAL, (embeddings, coords, labels, none, no, size), strict=True))
    )
    expected, quality = decode(graphs, encode(graphs, image), coords, labels, none, no)
    # Meta's rule: of two points the best of masks 1 to 3, of more mask 0, which `mini` always answers with.
    best = 1 + int(quality[0, 1:].argmax()) if name == "vit_b" and len(prompt[1]) == 2 else 0
    assert np.abs(low_res[0, 0] - expected[0, best]).max() < 1e-3 * np.abs(expected).max()  # rounding
    assert scores.shape == (1, 1) and abs(scores[0, 0] - quality[0, best]) < 1e-3
    assert masks.shape == (1, 1, *pixels.shape[:2])
    h, w = frame.input_size
    whole = resize(torch.from_numpy(low_res), (1024, 1024))
    np.testing.assert_allclose(masks, resize(whole[..., :h, :w], pixels.shape[:2]), atol=1e-4)  # rounding


def test_a_mask_input_counts_only_where_it_is_announced(exported) -> None:
    folder, name, _ = exported
    decoder = opened(folder, f"{name}.decoder")
    rng = np.random.default_rng(0)
    feed = {
        "image_embeddings": rng.standard_normal(decoder.get_inputs()[0].shape).astype(np.float32),
        "point_coords": np.array([[[300, 300], [0, 0]]], np.float32),
        "point_labels": np.array([[1, -1]], np.float32),
        "mask_input": rng.standard_normal((1, 1, 256, 256)).astype(np.float32),
        "orig_im_size": np.array([60, 80], np.float32),
    }
    without, unsure, with_mask = (
        decoder.run(["low_res_masks"], {**feed, "has_mask_input": np.array([given], np.float32)})[0]
        for given in (0, -1, 1)
    )
    np.testing.assert_array_equal(unsure, without)  # osam announces "none" as -1
    assert np.abs(with_mask - without).max() > 1e-3


def test_numbers_of_points_are_refused(tmp_path, capsys) -> None:
    arguments = ["edge", "--variant", "tiny", "--seed", "0", "--for", "sam", "--out", str(tmp_path / "no")]
    assert main([*arguments, "--points", "4"]) == 1
    assert "--points has no meaning" in capsys.readouterr().err
