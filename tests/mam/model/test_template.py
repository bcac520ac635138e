"""The templates that come with the package, completed with files of exactly the published layouts."""

import dataclasses
import hashlib
import io
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
import torch

from export.parity import relative_error
from export.templates import write_template
from export.torch_graphs import TorchGraphs
from mam import Matting, weights
from mam.errors import WeightsError
from mam.model.folders import BUNDLE, TEMPLATES
from mam.model.runtime import load_graphs
from mam.model.template import M2M_PREFIX, MANIFEST, read_manifest
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.mam import MattingAnything
from tests.conftest import EXAMPLES, FLOWER_BOX, ROOT
from tests.mam.hub_server import FILES
from tests.small_vit import build_distinct

LARGER = [name for name, variant in VARIANTS.items() if variant.checkpoints]


@pytest.mark.parametrize("name", LARGER)
def test_templates_name_the_tensors_of_their_checkpoints(name) -> None:
    variant = VARIANTS[name]
    if name == "edgetam" and find_spec("timm") is None:
        pytest.skip("needs timm, with torchvision (docs/export.md)")
    with torch.device("meta"):
        model = MattingAnything(variant)
    shapes = {key.removeprefix("sam."): tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    parts = read_manifest(TEMPLATES / name)
    named: dict[str, tuple[int, ...]] = {}
    for graph, part in parts.items():
        assert part.checkpoint == variant.checkpoints[graph == "matte"]
        named |= part.shapes
    assert named.items() <= shapes.items()
    # All tensors are used, except for counters, classifiers, and the Mask-to-Matte of another variant.
    unused = {key for key in shapes.keys() - named.keys() if not key.endswith("num_batches_tracked")}
    if variant.m2m_of:
        assert "matte" not in parts and any(key.startswith(M2M_PREFIX) for key in unused)
        unused = {key for key in unused if not key.startswith(M2M_PREFIX)}
    classifiers = ("image_encoder.norm_head.", "image_encoder.head.", "mask_decoder.pred_obj_score_head.")
    assert all(key.startswith(classifiers) for key in unused), unused


def test_the_export_gives_the_shipped_template(tmp_path) -> None:
    write_template(VARIANTS["mobile_sam"], tmp_path)
    shipped = TEMPLATES / "mobile_sam"
    assert (tmp_path / MANIFEST).read_text() == (shipped / MANIFEST).read_text()
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in shipped.iterdir()}
    for file in tmp_path.glob("*.onnx"):
        operators, stamps = [], []
        for folder in (tmp_path, shipped):
            proto = onnx.load(folder / file.name)
            operators.append(Counter(node.op_type for node in proto.graph.node))
            stamps.append({entry.key: entry.value for entry in proto.metadata_props})
        assert operators[0] == operators[1] and stamps[0] == stamps[1]


@pytest.fixture(scope="module")
def mobile_sam() -> MattingAnything:
    """MobileSAM with random weights, and the Mask-to-Matte of `tiny`."""
    model = build_distinct(VARIANTS["mobile_sam"])
    model.m2m = checkpoint.load_m2m(VARIANTS["mobile_sam"], BUNDLE / "tiny_m2m.pt")
    return model


@pytest.fixture(scope="module")
def published(mobile_sam) -> bytes:
    """A file of the layout of `mobile_sam.pt`: a state dict without a wrapper."""
    stream = io.BytesIO()
    torch.save(mobile_sam.sam.state_dict(), stream)
    return stream.getvalue()


@pytest.fixture()
def hub_with_mobile_sam(hub, published, monkeypatch):
    """A server in the hub's place that has the file, and a registry that expects it."""
    hub.data = published
    facts = {"size": len(published), "sha256": hashlib.sha256(published).hexdigest()}
    monkeypatch.setitem(
        weights.REGISTRY, "mobile_sam.pt", dataclasses.replace(weights.REGISTRY["mobile_sam.pt"], **facts)
    )
    return hub


def test_mobile_sam_equals_torch_after_a_download_that_was_cut(hub_with_mobile_sam, mobile_sam) -> None:
    hub_with_mobile_sam.breaks = 15_000_000
    matting = Matting.load("mobile_sam", device="cpu")
    assert [path for _, path, _, _ in hub_with_mobile_sam.seen if "resolve" in path] == 3 * [FILES[-1]]
    assert matting.graphs.variant == "mobile_sam" and matting.graphs.note == ""
    ours, theirs = matting.open(EXAMPLES / "flower.jpg"), Matting(TorchGraphs(mobile_sam)).open(EXAMPLES / "flower.jpg")
    features, expected = (scene.whole.features["image_embeddings"] for scene in (ours, theirs))
    assert relative_error(features, expected) < 1e-5
    a, b = ours.matte(box=FLOWER_BOX), theirs.matte(box=FLOWER_BOX)
    assert (np.abs(a.alpha - b.alpha) > 1 / 255).mean() < 1e-4


def test_another_file_than_the_published_one_is_refused(hub) -> None:
    hub.data = b"PK\x03\x04".ljust(40_728_226, b"\0")
    with pytest.raises(WeightsError, match=r"SHA-256 \w+, expected 6dbb90523a35330f.*damaged or another file"):
        Matting.load("mobile_sam")
    assert hub.seen[0][1] == FILES[-1]


WITHOUT_TORCH = """
import dataclasses, sys
for name in ("torch", "onnx", "segment_anything", "safetensors"):
    sys.modules[name] = None  # importing it raises
from mam import Matting, weights
entry = weights.REGISTRY["mobile_sam.pt"]
weights.REGISTRY["mobile_sam.pt"] = dataclasses.replace(entry, size={size}, sha256={sha256!r})
assert Matting.load("mobile_sam", device="cpu").open({photo!r}).matte(box={box})
"""


def test_mobile_sam_runs_where_torch_cannot_be_imported(published, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    (tmp_path / "mobile_sam.pt").write_bytes(published)
    digest = hashlib.sha256(published).hexdigest()
    photo = str(EXAMPLES / "flower.jpg")
    code = WITHOUT_TORCH.format(size=len(published), sha256=digest, photo=photo, box=FLOWER_BOX)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("variant", ["mobile_sam"])
def test_loading_takes_little_more_memory_than_the_weights(variant, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    with torch.device("meta"):
        model = MattingAnything(VARIANTS[variant])
    files = dict(zip(VARIANTS[variant].checkpoints, (model.sam, model.m2m), strict=False))
    for name, net in files.items():
        state = {
            key: torch.rand(like.shape) if like.ndim else like.new_zeros((), device="cpu")
            for key, like in net.state_dict().items()
        }
        torch.save(state, tmp_path / name)
    stored = sum((tmp_path / name).stat().st_size for name in files)
    code = f"""
import re
from pathlib import Path
import onnxruntime
from mam import weights
from mam.model.folders import BUNDLE
from mam.model.providers import GraphInMemory, open_sessions
from mam.model.template import complete
for name in {list(files)}:
    weights.REGISTRY[name] = weights.WeightFile(name, "a test", "none", "http://nowhere")
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
graphs, _ = complete(Path({str(TEMPLATES / variant)!r}), BUNDLE / "matte.onnx")
kept = open_sessions([graph for graph in graphs if isinstance(graph, GraphInMemory)], "cpu", 2)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    for name in files:
        (tmp_path / name).unlink()
    print(f"{variant}: {int(done.stdout) / stored:.2f} times the weights")
    assert 0 < int(done.stdout) < 1.3 * stored  # mapped pages are read when they are used


def test_the_embedded_mask_to_matte_does_not_need_the_embedding() -> None:
    session = load_graphs(BUNDLE, "cpu").sessions["matte"]
    assert "image_embeddings" not in {tensor.name for tensor in session.get_inputs()}
