"""Reading and writing of checkpoints: strict, with `weights_only`, and errors that describe files of other kinds.

This project writes `{"variant": ..., "recipe": ..., "state_dict": ...}`, one file for M2M, and for SAM one or, to keep
files below 10 MB, one per submodule.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mam.errors import WeightsError
from mam.model.variants import Variant
from mam.nets.build import build_m2m, build_sam
from mam.nets.m2m import MaskToMatte
from mam.nets.mam import MattingAnything
from mam.nets.sam import Sam
from mam.nets.tiny.matte import MatteUNet
from mam.nets.tiny.segmenter import Segmenter
from mam.weights.layout import abbreviate, describe, describe_other_file, split_networks, unwrap


def load(variant: Variant, *files: Path) -> MattingAnything:
    """Build the network of a variant from its checkpoints.

    Args:
        variant: the sizes of the network.
        files: contain SAM and M2M together, in any order: this project's files; Meta's `sam_vit_*.pth` and the
            authors' M2M; or the authors' single file with both (`seg_model.*` and `m2m.*`). The names of tensors
            distinguish SAM from M2M.

    Returns:
        The network in eval mode.

    Raises:
        WeightsError: a file is unreadable, or its tensors do not fit the variant.
    """
    sam, m2m = _read_parts(variant, files)
    with torch.device("meta"):  # allocates no memory: the files' tensors become the parameters
        model = MattingAnything(variant)
    fill(model.sam, sam, files, sam | m2m)
    fill(model.m2m, m2m, files, sam | m2m)
    return model.eval()


def load_sam(variant: Variant, *files: Path) -> Sam | Segmenter:
    """Build SAM alone, in eval mode; an M2M in the files is ignored. See `load`."""
    state, rest = _read_parts(variant, files)
    with torch.device("meta"):
        sam = build_sam(variant)
    fill(sam, state, files, state | rest)
    return sam.eval()


def load_m2m(variant: Variant, *files: Path) -> MaskToMatte | MatteUNet:
    """Build M2M alone, in eval mode; a SAM in the files is ignored. See `load`."""
    rest, state = _read_parts(variant, files)
    with torch.device("meta"):
        m2m = build_m2m(variant)
    fill(m2m, state, files, state | rest)
    return m2m.eval()


def _read_parts(variant: Variant, files: Sequence[Path]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Read the tensors of SAM and of M2M from the files, separated by their names."""
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_state(file, variant)
    return split_networks(state)


def read_state(file: Path, variant: Variant | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, without wrappers and the prefix `module.`, floating point as float32.

    Args:
        file: the checkpoint.
        variant: that the file has to be made for, if it names a variant; None accepts all.

    Raises:
        WeightsError: the file is missing, unreadable or unsafe, or was made for another variant.
    """
    if not file.exists():
        raise WeightsError(f"no checkpoint at {file}; give the path of a .pt, .pth or .safetensors file.")
    try:
        content: Any = _load(file)
    except Exception as error:  # torch raises many types for damaged files
        raise WeightsError(
            f"{file} {_describe_unreadable(file, error)}; expected a .pt, .pth or .safetensors file of tensors."
        ) from error
    state = unwrap(file, content)
    made_for = content.get("variant")
    # The sizes of the variant are compared tensor by tensor in `fill`.
    if variant and isinstance(made_for, dict) and made_for.get("name") not in (variant.name, variant.m2m_of):
        raise WeightsError(f"{file} was trained as {made_for.get('name')}; {variant.name} was requested.")
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def _load(file: Path) -> Any:
    with open(file, "rb") as stream:
        start = stream.read(10)
    if start[8:] == b'{"':
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _describe_unreadable(file: Path, error: Exception) -> str:
    """Describe a file that torch cannot load, by its first bytes and torch's error."""
    if other := describe_other_file(file):
        return other
    with open(file, "rb") as stream:
        head = stream.read(512)
    if code := re.search(r"GLOBAL (\S+)", str(error)):
        return f"asks for {code[1]} when it is opened, which could be harmful code (nothing was run)"
    if head.startswith(b"PK") and not zipfile.is_zipfile(file):
        return "has no end: it is half downloaded or damaged, download it again"
    if "TorchScript" in str(error):
        return "is a TorchScript program"
    return "is no checkpoint, or damaged"


def fill(
    net: nn.Module, state: dict[str, Tensor], files: Sequence[Path], whole: dict[str, Tensor] | None = None
) -> None:
    """Assign tensors to a network, converted to its dtypes.

    Args:
        net: the network, possibly on the meta device.
        state: tensors for it, with exactly its names and shapes.
        files: that the tensors come from, for error messages.
        whole: all tensors of the files, for error messages; None if they are `state`.

    Raises:
        WeightsError: names or shapes differ.
    """
    names = ", ".join(str(file) for file in files)
    expected = net.state_dict()
    missing, unexpected = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{k} is {tuple(state[k].shape)}, expected {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    if missing or unexpected or shapes:
        raise WeightsError(
            f"{names} does not hold a {type(net).__name__} of this variant: "
            f"{len(missing)} tensors missing ({abbreviate(missing)}), "
            f"{len(unexpected)} unexpected ({abbreviate(unexpected)}), "
            f"{len(shapes)} of another shape ({abbreviate(shapes)}). "
            f"It seems to hold {describe(state if whole is None else whole)}."
        )
    net.load_state_dict({name: state[name].to(like.dtype) for name, like in expected.items()}, assign=True)


def save(
    net: nn.Module, variant: Variant, file: Path, recipe: dict[str, Any] | None = None, part: str | None = None
) -> None:
    """Write one network in half precision; an interruption leaves no partial file under the final name.

    Args:
        net: the network.
        variant: its sizes, which are stored with it.
        file: the checkpoint; its folder is created if it is missing.
        recipe: how the network was trained, which is stored with it.
        part: the name of the only submodule to write; None writes all.
    """
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in net.state_dict().items()
        if part is None or name.startswith(f"{part}.")
    }
    write({"variant": variant.to_dict(), "recipe": recipe or {}, "state_dict": state}, file)


def write(content: Mapping[str, object], file: Path) -> None:
    """Write a file by `torch.save`; an interruption leaves the old or the new file, never a partial one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, file)


def build_seeded(variant: Variant, seed: int) -> MattingAnything:
    """Build a network with random weights in eval mode, for measurements and tests without a checkpoint.

    Parameters that the networks initialise to zero (biases of positions, the last batch norm of a block, heads of
    `tiny`) are random too, because zeros would hide errors in the layers that use them.

    Args:
        variant: the sizes of the network.
        seed: for torch's random numbers.
    """
    torch.manual_seed(seed)
    model = MattingAnything(variant)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "rel_pos" in name or name.endswith(("pos_embed", "attention_biases", "no_memory_embedding")):
                tensor.normal_(0, 0.1)
            elif re.fullmatch(r"m2m\.refine_OS\d\.weight|sam\.mask_decoder\.masks1\.weight", name):
                tensor.normal_(0, 0.02)
            elif name.startswith("m2m") and name.endswith("bn2.weight"):
                tensor.uniform_(0.5, 1.0)
    return model.eval()
