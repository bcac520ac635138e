"""ComfyUI's nodes by its documented interface: the mappings, the inputs, tensors in and out."""

import json

import numpy as np
import pytest
import torch

from examples.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from examples.comfyui.nodes import Load, Matte
from mam import Matting, PromptError
from tests.conftest import ROOT
from tests.mock_graphs import MockGraphs

MODEL = Matting(MockGraphs())
IMAGE = torch.tensor((0.8, 0.2, 0.1)).expand(2, 48, 64, 3)
BOX = "8, 8, 40, 32"


def test_what_comfyui_asks_of_a_node() -> None:
    assert NODE_CLASS_MAPPINGS.keys() == NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        assert callable(getattr(node(), node.FUNCTION)) and node.CATEGORY and inputs["required"]
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    workflow = json.loads((ROOT / "examples" / "comfyui" / "workflow.json").read_text())
    for step in workflow.values():
        node = NODE_CLASS_MAPPINGS.get(step["class_type"])
        if node is not None:
            inputs = node.INPUT_TYPES()
            assert inputs["required"].keys() <= step["inputs"].keys()
            assert step["inputs"].keys() <= {**inputs["required"], **inputs.get("optional", {})}.keys()


def test_a_batch_with_a_box() -> None:
    colours, alpha = Matte().matte(MODEL, IMAGE, box=BOX)
    assert colours.shape == (2, 48, 64, 3) and alpha.shape == (2, 48, 64)
    assert colours.dtype == alpha.dtype == torch.float32
    assert alpha[:, 20, 20].tolist() == [1, 1] and alpha[:, 2, 2].tolist() == [0, 0]
    assert torch.allclose(colours, IMAGE, atol=1 / 255)


def test_masks_of_a_batch_and_one_for_all() -> None:
    masks = torch.zeros(2, 48, 64)
    masks[0, 5:20, 5:20] = masks[1, 30:45, 40:60] = 1
    _, alpha = Matte().matte(MODEL, IMAGE, mask=masks)
    assert alpha[:, 10, 10].tolist() == [1, 0] and alpha[:, 40, 50].tolist() == [0, 1]
    _, alpha = Matte().matte(MODEL, IMAGE, mask=masks[0])
    assert alpha[:, 10, 10].tolist() == [1, 1]
    with pytest.raises(PromptError, match="3 masks for 2 images"):
        Matte().matte(MODEL, IMAGE, mask=masks[[0, 1, 0]])
    _, alpha = Matte().matte(MODEL, IMAGE, mask=torch.zeros(1, 48, 64), box=BOX)  # ComfyUI's mask of nothing
    assert alpha[0, 20, 20] == 1


def test_points() -> None:
    _, alpha = Matte().matte(MODEL, IMAGE[:1], points="[[50, 40], [5, 5, 0]]")
    assert alpha[0, 40, 50] == 1 and alpha[0, 5, 5] == 0
    for wrong in ("left", "[[1]]", "3, 4"):
        with pytest.raises(PromptError, match="points"):
            Matte().matte(MODEL, IMAGE[:1], points=wrong)


def test_the_embedded_model_finds_the_main_object(flower) -> None:
    (model,) = Load().load("tiny", "model")
    image = torch.from_numpy(flower.photo.pixels.astype(np.float32) / 255)[None]
    colours, alpha = Matte().matte(model, image)
    expected = flower.matte()
    assert np.array_equal(alpha[0].numpy(), expected.alpha)
    assert np.array_equal((colours[0].numpy() * 255 + 0.5).astype(np.uint8), expected.foreground)
