"""Read and write checkpoints. Loading is strict, `weights_only`, and the errors say what the file seems to be.

Our own layout is one file per network, so that each stays small: `sam` and `m2m`, each `{"variant": ..., "state_dict": ...}`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mam.errors import WeightsError
from mam.nets.mam import MattingAnything
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import Sam
from mam.variants import Variant


def load(variant: Variant, sam_file: Path, m2m_file: Path) -> MattingAnything:
    """Build the network of a variant in eval mode from two checkpoints.

    Args:
        variant: which network.
        sam_file: ours, or Meta's `sam_vit_*.pth`.
        m2m_file: ours, or bare M2M tensors under the authors' names.

    Raises:
        WeightsError: unreadable, or other tensors than the variant has.
    """
    model = MattingAnything(variant)
    _load_strictly(model.sam, read_state(sam_file, variant), sam_file)
    _load_strictly(model.m2m, read_state(m2m_file, variant), m2m_file)
    return model.eval()


def read_state(file: Path, variant: Variant) -> dict[str, Tensor]:
    """The tensors of a checkpoint as float32 (integers stay), without wrappers; half precision is widened.

    Raises:
        WeightsError: missing, unreadable, unsafe, or made for another variant.
    """
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"no checkpoint at {file}; give the path of a .pt or .pth file.") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise WeightsError(f"{file} cannot be read as a checkpoint ({error}); it may be half downloaded.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file} holds a {type(content).__name__}; expected a dictionary of tensors.")
    if "variant" in content and Variant.from_dict(content["variant"]) != variant:
        raise WeightsError(f"{file} was trained as {content['variant']}; asked for {variant.to_dict()}.")
    state = content.get("state_dict", content)
    return {
        k.removeprefix("module."): v.float() if v.is_floating_point() else v
        for k, v in state.items()
        if isinstance(v, Tensor)
    }


def _load_strictly(net: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    expected = net.state_dict()
    missing, unexpected = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{k} is {tuple(state[k].shape)}, expected {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    if missing or unexpected or shapes:
        raise WeightsError(
            f"{file} does not fit {type(net).__name__}: {len(missing)} tensors missing ({_some(missing)}), "
            f"{len(unexpected)} unexpected ({_some(unexpected)}), {len(shapes)} of another shape ({_some(shapes)})."
        )
    net.load_state_dict(state)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "") if names else "none"


def save(net: Sam | MaskToMatte, variant: Variant, file: Path) -> None:
    """Write one network in half precision with its variant, whole or not at all."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save({"variant": variant.to_dict(), "state_dict": state}, partial)
    os.replace(partial, file)


def sha256(*files: Path) -> str:
    """One hexadecimal digest over the contents of some files, in this order."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def seeded(variant: Variant, seed: int) -> MattingAnything:
    """Random weights in eval mode, for measuring and testing without a checkpoint.

    What SAM and M2M initialise to zero (relative positions, the last batch norm of a block) is random too, so that no
    part of the network can hide a mistake by being silent.
    """
    torch.manual_seed(seed)
    model = MattingAnything(variant)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "rel_pos" in name or name.endswith("pos_embed"):
                tensor.normal_(0, 0.1)
            elif name.startswith("m2m") and name.endswith("bn2.weight"):
                tensor.uniform_(0.5, 1.0)
    return model.eval()
