"""Loading of Meta's and the authors' checkpoints, rebuilt here with the same names, shapes and wrappers.

SAM's names come from segment_anything itself, Mask-to-Matte's from reference/m2m_state_dict.json. The authors' trainer
saves `iter`, `loss` (a tensor with a gradient), `state_dict`, the optimizer's state and the schedule's, in a file with
either Mask-to-Matte alone or both networks.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from mam.errors import WeightsError
from mam.model.folders import BUNDLE
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.mam import MattingAnything
from mam.nets.sam import Sam
from tests.small_vit import SMALL

REFERENCE = Path(__file__).parents[1] / "reference"
VIT_B = VARIANTS["vit_b"]


def build_sam(name: str) -> nn.Module:
    """Build Meta's SAM on the meta device by `segment_anything/build_sam.py`, without torchvision."""
    folder = Path(importlib.util.find_spec("segment_anything").origin).parent
    package = sys.modules.setdefault("bare_segment_anything", ModuleType("bare_segment_anything"))
    package.__path__ = [str(folder)]
    with torch.device("meta"):
        return importlib.import_module("bare_segment_anything.build_sam").sam_model_registry[name]()


@pytest.fixture(scope="module")
def sam() -> dict[str, Tensor]:
    """A full-size state of SAM ViT-B under Meta's names."""
    torch.manual_seed(3)
    return OrderedDict((name, torch.randn(like.shape)) for name, like in build_sam("vit_b").state_dict().items())


@pytest.fixture(scope="module")
def m2m() -> dict[str, Tensor]:
    """A state of the authors' Mask-to-Matte."""
    torch.manual_seed(4)
    shapes = json.loads((REFERENCE / "m2m_state_dict.json").read_text())
    counted = "num_batches_tracked"
    return OrderedDict(
        (k, torch.tensor(20000) if k.endswith(counted) else torch.randn(shape)) for k, shape in shapes.items()
    )


@pytest.fixture()
def folder() -> Iterator[Path]:
    """A folder that is removed after the test; pytest would keep hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def wrap_as_trainer(state: dict[str, Tensor]) -> dict[str, object]:
    """Wrap a state as the authors' trainer does, with Adam after a step, a cosine schedule, the loss and its graph."""
    weights = [nn.Parameter(tensor.clone()) for tensor in state.values() if tensor.is_floating_point()][-20:]
    optimizer = torch.optim.Adam(weights, lr=1e-3, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=16000)
    loss = sum(weight.square().mean() for weight in weights)
    loss.backward()
    optimizer.step()
    schedule.step()
    wrapper = {"opt_state_dict": optimizer.state_dict(), "lr_state_dict": schedule.state_dict()}
    return {"iter": 20000, "loss": loss, "state_dict": OrderedDict(state), **wrapper}


def add_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def assert_filled(net: nn.Module, state: dict[str, Tensor]) -> None:
    """Assert that the network holds exactly this state, in memory and in eval mode."""
    assert net.state_dict().keys() == state.keys() and not net.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert not any(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_our_sam_has_metas_tensors(name) -> None:
    with torch.device("meta"):
        ours = Sam(VARIANTS[name].networks)
    shapes = [{k: (v.shape, v.dtype) for k, v in net.state_dict().items()} for net in (ours, build_sam(name))]
    assert shapes[0] == shapes[1] and len(shapes[0]) > 300
    assert not any("pixel" in tensor for tensor in shapes[1])  # Meta's buffers of pixel mean and std are not in files


@pytest.mark.parametrize("data_parallel", ["", "module."], ids=["bare", "module."])
@pytest.mark.parametrize("wrapped", [False, True], ids=["state_dict alone", "as the trainer saves"])
def test_the_authors_v1_file_alone_is_a_model(sam, m2m, data_parallel, wrapped, folder) -> None:
    both = add_prefix(sam, f"{data_parallel}seg_model.") | add_prefix(m2m, f"{data_parallel}m2m.")
    file = folder / "mam_sam_vitb.pth"
    torch.save(wrap_as_trainer(both) if wrapped else {"state_dict": both}, file)
    model = checkpoint.load(VIT_B, file)
    assert_filled(model.sam, sam)
    assert_filled(model.m2m, m2m)


def test_metas_file_loads_with_every_file_of_the_authors_m2m(sam, m2m, folder) -> None:
    meta = folder / "sam_vit_b_01ec64.pth"
    torch.save(sam, meta)
    layouts = {
        "v2": wrap_as_trainer(m2m),
        "v2 of data parallel training": wrap_as_trainer(add_prefix(m2m, "module.")),
        "the cut-out": m2m,
        "the cut-out with its prefix": add_prefix(m2m, "m2m."),
        "the cut-out in a wrapper": {"state_dict": add_prefix(m2m, "module.m2m.")},
        "counters made float32 as the authors' loader does": {name: tensor.float() for name, tensor in m2m.items()},
        "halves": {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in m2m.items()},
    }
    for name, content in layouts.items():
        file = folder / f"{name}.pth"
        torch.save(content, file)
        if name != "halves":
            assert_filled(checkpoint.load_m2m(VIT_B, file), m2m)
    model = checkpoint.load(VIT_B, folder / "v2.pth", meta)  # in any order
    assert_filled(model.sam, sam)
    assert_filled(model.m2m, m2m)
    assert_filled(checkpoint.load_m2m(VIT_B, folder / "halves.pth"), {k: v.half().to(v.dtype) for k, v in m2m.items()})
    assert_filled(checkpoint.load_sam(VIT_B, meta), sam)
    with pytest.raises(
        WeightsError, match=r"does not hold a MaskToMatte of this variant.*It seems to hold SAM ViT-B\.$"
    ):
        checkpoint.load(VIT_B, meta)
    with pytest.raises(WeightsError, match=r"of another shape \(image_encoder.*It seems to hold SAM ViT-B\.$"):
        checkpoint.load_sam(VARIANTS["vit_l"], meta)


def test_mobile_sams_file_loads_with_the_mask_to_matte_of_tiny(folder) -> None:
    variant = VARIANTS["mobile_sam"]
    sam = checkpoint.build_seeded(variant, 0).sam
    torch.save(sam.state_dict(), folder / "mobile_sam.pt")
    model = checkpoint.load(variant, folder / "mobile_sam.pt", BUNDLE / "tiny_m2m.pt")
    assert_filled(model.sam, sam.state_dict())
    assert not model.m2m.uses_embeddings
    with pytest.raises(WeightsError, match=r"was trained as tiny; vit_b was requested"):
        checkpoint.load_m2m(VIT_B, BUNDLE / "tiny_m2m.pt")
    with pytest.raises(WeightsError, match=r"It seems to hold a MobileSAM"):
        checkpoint.load_sam(VIT_B, folder / "mobile_sam.pt")


def test_files_from_before_zip_archives_load(m2m, tmp_path) -> None:
    file = tmp_path / "old.pth"
    torch.save(wrap_as_trainer(m2m), file, _use_new_zipfile_serialization=False)
    assert_filled(checkpoint.load_m2m(VIT_B, file), m2m)


def test_a_loaded_model_computes_what_a_copied_one_does(tmp_path) -> None:
    seeded = checkpoint.build_seeded(SMALL, 8)
    file = tmp_path / "both.pth"
    torch.save(add_prefix(seeded.sam.state_dict(), "seg_model.") | add_prefix(seeded.m2m.state_dict(), "m2m."), file)
    copied = MattingAnything(SMALL).eval()
    copied.load_state_dict(seeded.state_dict())
    points, labels = torch.tensor([[[200.0, 150.0], [800.0, 700.0]]]), torch.tensor([[2.0, 3.0]])
    sizes = torch.tensor([768, 1024]), torch.tensor([300, 400])
    with torch.inference_mode():
        image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))
        alphas = [
            net(image, points, labels, *sizes, torch.tensor(True)) for net in (checkpoint.load(SMALL, file), copied)
        ]
    assert torch.equal(*alphas) and alphas[0].std() > 0


class Harmful:
    """An object that runs a command when it is unpickled without `weights_only`."""

    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: download it again"),
        (
            b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>",
            "is a web page.*download it in a browser",
        ),
        (b"\n <html>Please log in</html>", "is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 11007593\n",
            "is a Git LFS pointer.*git lfs pull",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is no checkpoint, or damaged"),
        (b"\x80\x02]q\x00(K\x01e.", "is no checkpoint, or damaged"),
    ],
    ids=["empty", "Google Drive", "login page", "Git LFS", "image", "pickled list"],
)
def test_errors_describe_files_that_are_not_checkpoints(content, message, tmp_path) -> None:
    file = tmp_path / "mam_vitb.pth"
    file.write_bytes(content)
    with pytest.raises(
        WeightsError, match=rf"^{file} .*{message}.*; expected a .pt, .pth or .safetensors file of tensors\.$"
    ):
        checkpoint.load(VIT_B, file)


@pytest.mark.filterwarnings("ignore:.*TorchScript archive", "ignore:.*torch.jit")
def test_errors_describe_folders_truncated_files_programs_and_lists(m2m, tmp_path) -> None:
    file = tmp_path / "mam_vitb.pth"
    with pytest.raises(WeightsError, match="is a folder; expected"):
        checkpoint.load(VIT_B, tmp_path)
    torch.save(m2m, file)
    for length in (3, 1000, file.stat().st_size // 2, file.stat().st_size - 1):
        (tmp_path / "cut.pth").write_bytes(file.read_bytes()[:length])
        with pytest.raises(WeightsError, match=r"half downloaded|damaged"):
            checkpoint.load(VIT_B, tmp_path / "cut.pth")
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(file))
    with pytest.raises(WeightsError, match="is a TorchScript program"):
        checkpoint.load(VIT_B, file)
    torch.save([torch.zeros(1)], file)
    with pytest.raises(WeightsError, match="holds a list; expected a dictionary of tensors"):
        checkpoint.load(VIT_B, file)
    torch.save({"state_dict": 3, "variant": "mine"}, file)
    with pytest.raises(WeightsError, match="holds a int as its state_dict"):
        checkpoint.load(VIT_B, file)
    torch.save({0: torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"no network of this method \(its tensors are called 0\)"):
        checkpoint.load(VIT_B, file)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_named_and_not_run(zipped, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Harmful()}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"asks for \w+\.system when it is opened, .* \(nothing was run\)"):
        checkpoint.load(VIT_B, tmp_path / "evil.pth")
    assert not (tmp_path / "harmed").exists()
