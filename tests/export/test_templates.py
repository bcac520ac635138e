"""Graph templates completed with a checkpoint: the same answers as torch and the exported graphs."""

import json
import pickle
import shutil

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from export import parity, templates
from export.torch_graphs import TorchGraphs
from export.write import write_graphs
from mam import GraphError, Matting, weights
from mam.errors import WeightsError
from mam.model import contract
from mam.model.runtime import load_graphs
from mam.model.steps import decode, encode, matte
from mam.weights import WeightFile
from tests import small_vit
from tests.conftest import EXAMPLES

NAMES = small_vit.SMALL.checkpoints


@pytest.fixture(scope="module")
def small():
    """The model that `small_vit.write_mirror` writes."""
    return small_vit.build_distinct(small_vit.SMALL)


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    write_graphs(small, "seed 0", folder)
    return folder


@pytest.fixture(scope="module")
def embeddings(small, image):
    return encode(TorchGraphs(small), image)["image_embeddings"]


@pytest.fixture()
def template(small_templates):
    return small_templates / "vit_b"


@pytest.fixture()
def cache(small_templates, tmp_path, monkeypatch):
    """A cache with the checkpoints of the small SAM, whatever they hold, and the library with its template alone."""
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    small_vit.write_mirror(tmp_path)
    small_vit.publish(monkeypatch, tmp_path, small_templates)
    for name in NAMES:
        monkeypatch.setitem(weights.REGISTRY, name, WeightFile(name, "a test", "none", "http://nowhere"))
    return tmp_path


def some_inputs(b: int = 2, n: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return (
        rng.uniform(0, 1024, (b, n, 2)).astype(np.float32),
        rng.integers(-1, 4, (b, n)).astype(np.float32),
        rng.standard_normal((b, 1, 256, 256), np.float32),
        rng.integers(0, 2, b).astype(np.float32),
    )


def test_a_completed_template_is_within_the_limits_of_check(cache, small, template) -> None:
    loaded = load_graphs(template, "cpu")
    assert loaded.note == "" and loaded.variant == "vit_b"
    rows = list(
        parity.compare(
            small,
            loaded,
            [EXAMPLES / "flower.jpg"],
            sizes=lambda pixels: iter([pixels]),
            prompts=lambda h, w: {"box": parity.all_prompts(h, w)["box"]},
        )
    )
    compared = [row for row in rows if row.what not in ("chain: share undecided", "chain: share with an empty mask")]
    assert len(compared) >= 8 and all(row.ok for row in compared), parity.summary(rows)


def test_a_completed_template_answers_as_the_exported_graphs_do(cache, template, exported, image) -> None:
    ours, theirs = load_graphs(template, "cpu"), load_graphs(exported, "cpu")
    features, expected = encode(ours, image), encode(theirs, image)
    assert parity.relative_error(features["image_embeddings"], expected["image_embeddings"]) < 1e-5
    for a, b in zip(*(decode(graphs, expected, *some_inputs()) for graphs in (ours, theirs)), strict=True):
        assert parity.relative_error(a, b) < 1e-5
    disc = np.where(np.hypot(*np.ogrid[-128:128, -128:128]) < 60, 4, -4).astype(np.float32)[None, None]
    a, b = (matte(graphs, image, expected, disc, (768, 1024), (300, 400), True) for graphs in (ours, theirs))
    assert np.abs(a - b).max() < 1e-4 and a.std() > 0
    for graph in contract.GRAPHS:
        files = (onnx.load(folder / graph.file) for folder in (template, exported))
        ours_, theirs_ = ([(v.name, v.type) for v in (*p.graph.input, *p.graph.output)] for p in files)
        assert ours_ == theirs_


def test_templates_hold_no_weights(template, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(templates, "SEED", 1)
    templates.write_template(small_vit.SMALL, tmp_path)
    for file in template.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_the_library_finds_the_template_and_pickles_it(cache) -> None:
    matting = Matting.load("vit_b", device="cpu")
    again = pickle.loads(pickle.dumps(matting))
    assert again.graphs.folder == matting.graphs.folder and again.graphs.variant == "vit_b"
    scene = again.open(EXAMPLES / "flower.jpg")
    assert scene.matte(box=(178, 82, 450, 360)) is not None
    assert sorted(file.name for file in cache.iterdir() if not file.name.endswith(".checked")) == sorted(NAMES)


@pytest.mark.parametrize("form", ["float16", "bfloat16", "float64", "safetensors", "wrapped", "transposed"])
def test_checkpoints_in_other_forms_give_the_same(form, cache, template, small, image, embeddings) -> None:
    state = dict(small.sam.state_dict())
    file = cache / NAMES[0]
    if form == "safetensors":
        save_file(state, file)
    elif form == "wrapped":
        torch.save({"iter": 1, "state_dict": {f"module.seg_model.{k}": v for k, v in state.items()}}, file)
    elif form == "transposed":
        torch.save({k: v.mT.contiguous().mT if v.ndim > 1 else v for k, v in state.items()}, file)
    else:
        torch.save({k: v.to(getattr(torch, form)) for k, v in state.items()}, file)
    found = encode(load_graphs(template, "cpu"), image)["image_embeddings"]
    if form in ("float16", "bfloat16"):
        model = small_vit.build_distinct(small_vit.SMALL)
        model.sam.load_state_dict({k: v.to(getattr(torch, form)).float() for k, v in state.items()})
        embeddings = encode(TorchGraphs(model), image)["image_embeddings"]
    assert parity.relative_error(found, embeddings) < 1e-5


def test_without_the_authors_mask_to_matte_the_embedded_one_is_used(cache, template, image) -> None:
    (cache / NAMES[1]).unlink()
    matting = Matting.load("vit_b", device="cpu")
    assert matting.graphs.note == (
        f"{NAMES[1]} is not in {cache}, so Mask-to-Matte is the embedded model's; "
        f"for the authors', get it with `mam weights get {NAMES[1]}`."
    )
    assert matting.open(EXAMPLES / "flower.jpg").matte(box=(178, 82, 450, 360)) is not None


def test_checkpoints_of_other_models_are_refused(cache, template, small) -> None:
    sam, m2m = (cache / name for name in NAMES)
    shutil.copy(m2m, sam)
    with pytest.raises(WeightsError, match=r"does not fit vit_b/image_encoder.onnx: \d+ tensors missing .*Mask-to-Mat"):
        load_graphs(template, "cpu")
    state = small.sam.state_dict()
    torch.save({**state, "image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}, sam)
    with pytest.raises(WeightsError, match=r"pos_embed is float32 \(1, 64, 64, 768\), expected .* SAM ViT-B\.$"):
        load_graphs(template, "cpu")
    torch.save({name: value.int() for name, value in state.items()}, sam)
    with pytest.raises(WeightsError, match=r"is int32 "):
        load_graphs(template, "cpu")
    sam.unlink()
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids downloads"):
        Matting.load("vit_b")


def test_damaged_templates_are_refused(cache, template, tmp_path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(template, broken)
    manifest = json.loads((broken / "template.json").read_text())
    for content, message in (
        ("{}", "is damaged"),
        ("[", "is damaged"),
        (json.dumps({"graphs": {**manifest["graphs"], "mask_decoder": 3}}), "is damaged"),
        (json.dumps({"graphs": {"matte": manifest["graphs"]["matte"]}}), "does not describe image_encoder"),
    ):
        (broken / "template.json").write_text(content)
        with pytest.raises(GraphError, match=message):
            load_graphs(broken, "cpu")
    (broken / "template.json").write_text(json.dumps(manifest))
    (broken / "image_encoder.onnx").unlink()
    with pytest.raises(GraphError, match=r"image_encoder.onnx cannot be read"):
        load_graphs(broken, "cpu")
