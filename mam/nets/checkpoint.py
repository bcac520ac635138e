"""Read and write checkpoints. Loading is strict, `weights_only`, and the errors say what the file seems to be.

Our own layout is one file per network, so that each stays small: `sam` and `m2m`, each `{"variant": ..., "state_dict": ...}`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mam.errors import WeightsError
from mam.nets.mam import MattingAnything
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import Sam
from mam.variants import Variant

_SAM_PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")


def load(variant: Variant, *files: Path) -> MattingAnything:
    """Build the network of a variant in eval mode from its checkpoints, in any order.

    Args:
        variant: which network.
        files: together they hold SAM and M2M: ours; Meta's `sam_vit_*.pth` and the authors' M2M; or the authors' single
            file with both (`seg_model.*` and `m2m.*`). What is what is told by the tensors' names.

    Raises:
        WeightsError: unreadable, or other tensors than the variant has.
    """
    sam, m2m = _parts(variant, files)
    model = MattingAnything(variant)
    _load_strictly(model.sam, sam, files, sam | m2m)
    _load_strictly(model.m2m, m2m, files, sam | m2m)
    return model.eval()


def load_sam(variant: Variant, *files: Path) -> Sam:
    """SAM alone, in eval mode, from the same kinds of files; an M2M in them is passed over.

    Raises:
        WeightsError: as `load`.
    """
    sam, (state, rest) = Sam(variant), _parts(variant, files)
    _load_strictly(sam, state, files, state | rest)
    return sam.eval()


def load_m2m(variant: Variant, *files: Path) -> MaskToMatte:
    """M2M alone, in eval mode, from the same kinds of files; a SAM in them is passed over.

    Raises:
        WeightsError: as `load`.
    """
    m2m, (rest, state) = MattingAnything(variant).m2m, _parts(variant, files)
    _load_strictly(m2m, state, files, state | rest)
    return m2m.eval()


def describe(state: dict[str, Tensor]) -> str:
    """What a checkpoint seems to be, from its tensors' names and shapes; for error messages."""
    names = {name.removeprefix("seg_model.") for name in state}
    position = state.get("image_encoder.pos_embed", state.get("seg_model.image_encoder.pos_embed"))
    known = {768: "SAM ViT-B", 1024: "SAM ViT-L", 1280: "SAM ViT-H"}
    found = []
    if position is not None:
        found.append(known.get(position.shape[-1], f"a SAM of width {position.shape[-1]}"))
    elif any(name.startswith("image_encoder.") for name in names):
        found.append("a small SAM of this project")
    if any(name.removeprefix("m2m.").startswith("refine_OS") for name in names):
        found.append("a Mask-to-Matte network")
    if found:
        return " and ".join(found)
    return f"no network of this method (its tensors are called {_some(sorted(state))})"


def _parts(variant: Variant, files: Sequence[Path]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of SAM and of M2M in some files, told apart by their names."""
    sam: dict[str, Tensor] = {}
    m2m: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in read_state(file, variant).items():
            if name.startswith("seg_model."):
                sam[name.removeprefix("seg_model.")] = tensor
            elif name.startswith(_SAM_PARTS):
                sam[name] = tensor
            else:
                m2m[name.removeprefix("m2m.")] = tensor
    return sam, m2m


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
    # Widths are compared tensor by tensor, when the network is filled.
    if "variant" in content and content["variant"]["name"] != variant.name:
        raise WeightsError(f"{file} was trained as {content['variant']['name']}; asked for {variant.name}.")
    state = content.get("state_dict", content)
    return {
        k.removeprefix("module."): v.float() if v.is_floating_point() else v
        for k, v in state.items()
        if isinstance(v, Tensor)
    }


def _load_strictly(net: nn.Module, state: dict[str, Tensor], files: Sequence[Path], whole: dict[str, Tensor]) -> None:
    told = ", ".join(str(file) for file in files)
    expected = net.state_dict()
    missing, unexpected = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{k} is {tuple(state[k].shape)}, expected {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    if missing or unexpected or shapes:
        raise WeightsError(
            f"{told} does not hold a {type(net).__name__} of this variant: {len(missing)} tensors missing ({_some(missing)}), "
            f"{len(unexpected)} unexpected ({_some(unexpected)}), {len(shapes)} of another shape ({_some(shapes)}). "
            f"It seems to hold {describe(whole)}."
        )
    net.load_state_dict(state)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "") if names else "none"


def save(net: Sam | MaskToMatte, variant: Variant, file: Path, recipe: dict[str, Any] | None = None) -> None:
    """Write one network in half precision with its variant and how it was trained, whole or not at all."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save({"variant": variant.to_dict(), "recipe": recipe or {}, "state_dict": state}, partial)
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
