"""The exported text model against transformers' own, its files, and the command that writes them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export import grounding as export
from export.trace import OPSET
from mam import WeightsError
from mam.model import contract
from mam.text import Phrases
from tests.grounding import one_thread

TEXTS = ["a cat", "the girl in the red sweater, a dog", ["a cat", "the girl in the red sweater", "dogs"]]


@pytest.fixture(scope="module")
def torch_model(grounding_source):
    with one_thread():
        yield export.load_network(export.Source.in_folder(grounding_source))


@pytest.mark.parametrize("text", TEXTS, ids=["one phrase", "one long phrase", "three phrases"])
@pytest.mark.parametrize(
    "size, side",
    [((160, 160), 160), ((3, 160), 160), ((200, 300), 320), ((300, 190), 416), ((224, 256), 256)],
    ids=["traced", "strip", "landscape", "portrait", "exact"],
)
def test_graph_equals_transformers(grounding, torch_model, text, size, side) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image, pixel_mask = replace(grounding.preprocessor, side=side, shortest=side).place(pixels)
    assert max(image.shape[2:]) == side
    phrases = Phrases.tokenise(text, grounding.tokenizer)
    inputs = (image, pixel_mask, phrases.input_ids, phrases.position_ids, phrases.text_mask)
    names = [tensor.name for tensor in contract.GROUNDING.inputs]
    logits, boxes = grounding.session.run(["logits", "boxes"], dict(zip(names, inputs, strict=True)))
    with torch.inference_mode():
        # From the ids alone: masks, positions and reference points are transformers' own.
        expected = torch_model(
            *map(torch.from_numpy, (image, phrases.input_ids)), pixel_mask=torch.from_numpy(pixel_mask).long()
        )
    tokens = phrases.input_ids.shape[1]
    assert torch.isinf(expected.logits[..., tokens:]).all()
    # Sums in another order: logits of up to 20 differ in their sixth digit.
    assert np.abs(expected.logits[..., :tokens].numpy() - logits).max() < 1e-4
    assert np.abs(expected.pred_boxes.numpy() - boxes).max() < 1e-5


def test_phrases_do_not_see_each_other(grounding) -> None:
    """A graph that was traced with one phrase and knows no other finds only the first."""
    pixels = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    found = grounding.find(pixels, ["a cat", "the girl", "dogs"], box_threshold=0.0, text_threshold=0.0, nms=1.0)
    assert len({f.phrase for f in found}) > 1


def test_graph_follows_the_contract_and_is_finite(grounding_folder) -> None:
    model = onnx.load(grounding_folder / "grounding.onnx")
    for declared, found in (
        (contract.GROUNDING.inputs, model.graph.input),
        (contract.GROUNDING.outputs, model.graph.output),
    ):
        assert [t.name for t in declared] == [t.name for t in found]
        for tensor, proto in zip(declared, found, strict=True):
            shape = [d.dim_param or d.dim_value for d in proto.type.tensor_type.shape.dim]
            assert shape == [20 if size == "Q" else size for size in tensor.shape]
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": OPSET}
    constants = [a.t for node in model.graph.node for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    values = [numpy_helper.to_array(tensor) for tensor in (*constants, *model.graph.initializer)]
    assert not [v for v in values if v.dtype == np.float64]  # a grid in double precision does not run
    assert max(np.abs(v).max(initial=0) for v in values if v.dtype == np.float32) < np.finfo(np.float16).max


def test_metadata_describes_the_graph(grounding_folder, grounding_source, grounding) -> None:
    metadata = {
        p.key: p.value for p in onnx.load(grounding_folder / "grounding.onnx", load_external_data=False).metadata_props
    }
    assert metadata == {
        "mam_graph": "grounding",
        "mam_contract": contract.VERSION,
        "mam_variant": grounding_source.name,
        "mam_checkpoint_sha256": export.weights.sha256(grounding_source / "model.safetensors"),
        "mam_side": "160",
        "mam_shortest": "96",
        "mam_smallest": "160",
        "mam_pixel_mean": "0.485,0.456,0.406",
        "mam_pixel_std": "0.229,0.224,0.225",
    }
    assert (grounding.preprocessor.side, grounding.preprocessor.shortest, grounding.name) == (
        160,
        96,
        grounding_source.name,
    )


def test_incomplete_and_foreign_folders_are_refused(tmp_path, grounding_source) -> None:
    with pytest.raises(WeightsError, match=r"lacks model.safetensors, config.json, vocab.txt"):
        export.Source.in_folder(tmp_path)
    for file in grounding_source.iterdir():
        shutil.copy(file, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "encoder_layers": 2}))
    with pytest.raises(WeightsError, match=r"does not fit .*config.json: [1-9]"):
        export.load_network(export.Source.in_folder(tmp_path))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n?\na\n")
    with pytest.raises(WeightsError, match=r"another model's"):
        export.write_tokenizer(tmp_path / "vocab.txt", tmp_path / "tokenizer.json")


def test_a_tokenizer_is_copied_or_made_of_the_vocabulary(grounding_folder, grounding_source, tmp_path) -> None:
    made = export.write_tokenizer(grounding_source / "vocab.txt", tmp_path / "made.json")
    taken = export.write_tokenizer(grounding_folder / "tokenizer.json", tmp_path / "taken.json")
    text = "The GIRL, in red. dogs?"
    assert made.encode(text).tokens == taken.encode(text).tokens
    assert made.encode(text).tokens == ["[CLS]", "the", "girl", ",", "in", "red", ".", "dog", "##s", "?", "[SEP]"]
