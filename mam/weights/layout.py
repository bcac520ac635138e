"""What checkpoints of this method contain: wrappers, prefixes of names, and descriptions of other files for errors.

The readers with and without torch share it; a tensor here is anything with a `shape`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mam.errors import WeightsError
from mam.weights.tensors import StoredTensor

_SAM_PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")
_EDGETAM_PARTS = ("vision_encoder.", "shared_image_embedding.", "no_memory_embedding")
_EDGETAM_UNUSED = (
    "prompt_encoder.shared_embedding.",  # a copy of `shared_image_embedding`
    # The rest is for video.
    "memory_",
    "mask_downsample",
    "spatial_perceiver.",
    "object_pointer_proj.",
    "temporal_positional_encoding_projection_layer.",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
)


T = TypeVar("T")


def unwrap(file: Path, content: Any) -> dict[str, Any]:
    """Return the dictionary of tensors in what a checkpoint holds, without the prefix `module.`.

    Args:
        file: the checkpoint, for error messages.
        content: a dictionary of tensors, or one that holds it as `state_dict`, or, by detectron2, as `model`.

    Raises:
        WeightsError: there is no such dictionary.
    """
    if not isinstance(content, dict):
        raise WeightsError(f"{file} holds a {type(content).__name__}; expected a dictionary of tensors.")
    state = content.get("state_dict", content.get("model", content))
    if not isinstance(state, dict):
        raise WeightsError(
            f"{file} holds a {type(state).__name__} as its state_dict; expected a dictionary of tensors."
        )
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def split_networks(state: Mapping[str, T]) -> tuple[dict[str, T], dict[str, T]]:
    """Separate SAM from Mask-to-Matte by the names of their tensors, and remove the authors' prefixes.

    Tensors of EdgeTAM that images do not need are left out.

    Returns:
        SAM's tensors and Mask-to-Matte's.
    """
    sam: dict[str, T] = {}
    m2m: dict[str, T] = {}
    for name, tensor in state.items():
        if name.startswith("seg_model."):
            sam[name.removeprefix("seg_model.")] = tensor
        elif name.startswith(_EDGETAM_UNUSED):
            continue
        elif name.startswith(_SAM_PARTS + _EDGETAM_PARTS):
            sam[name] = tensor
        else:
            m2m[name.removeprefix("m2m.")] = tensor
    return sam, m2m


def describe(state: Mapping[str, Any]) -> str:
    """Describe a checkpoint by the names and shapes of its tensors, for error messages."""
    names = {name.removeprefix("seg_model.") for name in state}
    position = state.get("image_encoder.pos_embed", state.get("seg_model.image_encoder.pos_embed"))
    known = {768: "SAM ViT-B", 1024: "SAM ViT-L", 1280: "SAM ViT-H"}
    found = []
    if position is not None:
        width = position.shape[-1]
        found.append(known.get(width, f"a SAM of width {width}"))
    elif any(name.startswith("image_encoder.layers.") for name in names):
        found.append("a MobileSAM")
    elif any(name.startswith("vision_encoder.") for name in names):
        found.append("an EdgeTAM")
    elif any(name.startswith("image_encoder.") for name in names):
        found.append("a small SAM of this project")
    if any(name.startswith("matting_decoder.") for name in names):
        found.append("a SEMat")
    if any(name.removeprefix("m2m.").startswith("refine_OS") for name in names):
        found.append("a Mask-to-Matte network")
    if found:
        return " and ".join(found)
    return f"no network of this method (its tensors are called {abbreviate(sorted(state))})"


def describe_other_file(file: Path) -> str | None:
    """Describe a folder or a file that is no checkpoint by its first bytes; None if they might be a checkpoint's."""
    if file.is_dir():
        return "is a folder"
    try:
        with open(file, "rb") as stream:
            head = stream.read(512)
    except PermissionError:
        return "may not be read by this user"
    if not head:
        return "is empty: download it again"
    if head[8:10] == b'{"':  # safetensors; its first byte may be "<"
        return None
    if head.lstrip().startswith(b"<"):
        return "is a web page, such as a login page or Google Drive's notice for large files: download it in a browser"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer instead of the file it stands for: run `git lfs pull`"
    return None


def describe_mismatch(
    shapes: Mapping[str, Sequence[int]], state: Mapping[str, StoredTensor], dtypes: Collection[str] | None = None
) -> str:
    """Describe which tensors a checkpoint lacks, or has of another shape or dtype, for error messages.

    Args:
        shapes: the expected shapes, by name.
        state: the checkpoint's tensors.
        dtypes: the dtypes that are accepted; None for all.

    Returns:
        A clause; empty if nothing is wrong.
    """
    missing = sorted(shapes.keys() - state.keys())
    different = [
        f"{name} is {state[name].dtype} {state[name].shape}, expected {shape}"
        for name, shape in shapes.items()
        if name in state and (state[name].shape != shape or (dtypes is not None and state[name].dtype not in dtypes))
    ]
    if not missing and not different:
        return ""
    return (
        f"{len(missing)} tensors missing ({abbreviate(missing)}), "
        f"{len(different)} of another shape or dtype ({abbreviate(different)})"
    )


def abbreviate(names: Sequence[str]) -> str:
    """Join the first three names, for error messages."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "") if names else "none"
