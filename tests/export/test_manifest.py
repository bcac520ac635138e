"""`manifest.json`: the facts of the contract, and digests and tensors of the files as they are."""

import hashlib
import json

from export.limits import OF_PRECISION
from export.manifest import MANIFEST
from mam.masks import crops
from mam.model import contract, frames
from mam.model.runtime import load_graphs


def test_an_ordinary_set_has_the_facts_of_the_contract(mini, graphs_folder) -> None:
    manifest = json.loads((graphs_folder / MANIFEST).read_text())
    assert manifest["target"] == "graphs" and manifest["variant"] == "mini"
    assert manifest["contract"] == contract.VERSION and manifest["checkpoint_sha256"] == "seed 0"
    image = manifest["image"]
    assert (image["side"], *image["mean"], *image["std"]) == (frames.SIDE, *frames.PIXEL_MEAN, *frames.PIXEL_STD)
    assert manifest["points"]["labels"] == contract.POINT_LABELS and not manifest["points"]["fill_up"]
    assert manifest["main_object"] is True and manifest["crop"] is None and manifest["masks"]["multimask"] is False
    assert manifest["limits"] == OF_PRECISION["float32"]


def test_files_are_described_as_they_are(graphs_folder) -> None:
    manifest = json.loads((graphs_folder / MANIFEST).read_text())
    sessions = load_graphs(graphs_folder, "cpu").sessions
    assert [described["file"] for described in manifest["files"]] == [graph.file for graph in contract.GRAPHS]
    for described, graph in zip(manifest["files"], contract.GRAPHS, strict=True):
        data = (graphs_folder / described["file"]).read_bytes()
        assert described["sha256"] == hashlib.sha256(data).hexdigest()
        session = sessions[graph.name]
        for listed, found in (
            (described["inputs"], session.get_inputs()),
            (described["outputs"], session.get_outputs()),
        ):
            assert [(t["name"], t["shape"]) for t in listed] == [(t.name, t.shape) for t in found]
    types = {tensor["name"]: tensor["dtype"] for tensor in manifest["files"][2]["inputs"]}
    assert types == {tensor.name: tensor.dtype for tensor in contract.MATTE.inputs if tensor.name in types}


def test_a_crop_policy_is_described_with_its_numbers(tmp_path) -> None:
    from export.manifest import write_manifest

    stamp = contract.metadata("tiny", "0" * 64, contract.InferencePolicy(0.2, False, True))
    crop = json.loads(write_manifest(tmp_path, stamp, "graphs", []).read_text())["crop"]
    numbers = crops.MIN_SIDE, crops.MIN_ZOOM, crops.CLICK_SIDE, crops.EDGE_CONTACT, crops.UNSEEN_LOGIT
    names = ("min_side", "min_zoom", "click_side", "max_edge_contact", "unseen_logit")
    assert crop["margin"] == 0.2 and tuple(crop[name] for name in names) == numbers
