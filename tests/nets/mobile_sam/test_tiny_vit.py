"""MobileSAM's encoder against the authors' code, layer by layer, and against values that it gave."""

import importlib.util
import sys
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mam.model.variants import VARIANTS, TinyViT
from mam.nets import checkpoint
from mam.nets.mobile_sam.tiny_vit import TinyViTEncoder
from mam.nets.sam import Sam

GOLDEN = Path(__file__).parents[2] / "reference" / "tiny_vit.npz"


def fill(net: nn.Module) -> None:
    """Give a network weights that follow from the names of its tensors alone."""
    for name, tensor in net.state_dict().items():
        if not tensor.is_floating_point():
            continue
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(tensor.shape), np.float32)
        if name.endswith("running_var"):
            values = 0.5 + np.abs(values)
        elif tensor.ndim > 1 and not name.endswith("attention_biases"):
            values /= np.sqrt(values[0].size)
        elif name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values *= 0.3
        tensor.copy_(torch.from_numpy(values))


def an_image() -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((1, 3, 1024, 1024), np.float32))


@pytest.fixture(scope="module")
def encoder() -> TinyViTEncoder:
    net = TinyViTEncoder(TinyViT()).eval()
    fill(net)
    return net


@torch.inference_mode()
def test_values_of_the_authors_code_are_reproduced(encoder) -> None:
    with np.load(GOLDEN) as golden:
        flat = encoder(an_image()).flatten()
        # The sums of torch's kernels differ in their order from processor to processor.
        np.testing.assert_allclose(flat[torch.from_numpy(golden["places"])], golden["values"], atol=1e-4)


class Nothing(nn.Identity):
    """Stands for what the authors' file imports from timm, and inference does not use."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def authors_encoder() -> nn.Module:
    """The authors' encoder, without timm; the test is skipped if their code is not installed."""
    package = importlib.util.find_spec("mobile_sam")
    if package is None:
        pytest.skip("needs the authors' code: pip install --no-deps mobilesam-mirror")
    timm, layers, registry = (ModuleType(name) for name in ("timm.models", "layers", "registry"))
    layers.DropPath, layers.to_2tuple, layers.trunc_normal_ = Nothing, lambda n: (n, n), lambda *_, **__: None
    registry.register_model = lambda function: function
    stubs = {"timm": ModuleType("timm"), "timm.models": timm}
    stubs |= {"timm.models.layers": layers, "timm.models.registry": registry}
    path = Path(package.origin).parent / "modeling" / "tiny_vit_sam.py"
    spec = importlib.util.spec_from_file_location("authors_tiny_vit", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name, stub in stubs.items():
            patch.setitem(sys.modules, name, stub)
        spec.loader.exec_module(module)
    # As in mobile_sam/build_sam.py.
    return module.TinyViT(
        img_size=1024,
        embed_dims=[64, 128, 160, 320],
        depths=[2, 2, 6, 2],
        num_heads=[2, 4, 5, 10],
        window_sizes=[7, 7, 14, 7],
        drop_path_rate=0.0,
        layer_lr_decay=0.8,
    )


def record_layers(net: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Outputs of the stem, the blocks, the passages between stages and the neck, as (B, H * W, C)."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        outputs[name] = value if value.ndim == 3 else value.flatten(2).transpose(1, 2)

    hooks = [
        module.register_forward_hook(lambda _, __, value, name=name: keep(name, value))
        for name, module in net.named_modules()
        if name in ("patch_embed.seq", "neck") or name.endswith("downsample") or name.split(".")[-2:-1] == ["blocks"]
    ]
    net(image)
    for hook in hooks:
        hook.remove()
    return outputs


@torch.inference_mode()
def test_every_layer_equals_the_authors(encoder) -> None:
    authors = authors_encoder()
    shapes = [{name: tensor.shape for name, tensor in net.state_dict().items()} for net in (encoder, authors)]
    assert shapes[0] == shapes[1]
    authors.load_state_dict(encoder.state_dict())
    authors.eval()  # computes the biases of all distances from the loaded ones
    ours, theirs = record_layers(encoder, an_image()), record_layers(authors, an_image())
    assert ours.keys() == theirs.keys() and len(ours) == 1 + 12 + 3 + 1
    for name, values in theirs.items():
        error = (ours[name] - values).abs().max() / values.abs().max()
        assert error < 1e-5, f"{name}: {error}"  # the same sums in another order


def test_the_file_has_the_published_size(tmp_path) -> None:
    with torch.device("meta"):
        sam = Sam(VARIANTS["mobile_sam"].networks)
    state = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in sam.state_dict().items()}
    torch.save(state, tmp_path / "mobile_sam.pt")
    # Names inside the file, and the version of torch, decide the last bytes.
    assert abs((tmp_path / "mobile_sam.pt").stat().st_size - 40_728_226) < 60_000


def test_a_seeded_model_has_no_block_that_does_nothing() -> None:
    net = checkpoint.build_seeded(VARIANTS["mobile_sam"], 0).sam.image_encoder
    assert all(parameter.std() > 0 for name, parameter in net.named_parameters() if "attention_biases" in name)
