"""Write `manifest.json`: the numbers and files of a folder of graphs, for programs in any language.

docs/export.md has the rules that go with them. The library reads the same facts from the graphs' metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

from export.limits import OF_PRECISION
from mam.masks import crops, prompts
from mam.model import contract, frames
from mam.model.contract import InferencePolicy
from mam.weights import sha256

MANIFEST = "manifest.json"

_TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool"}


def write_manifest(
    folder: Path,
    stamp: Mapping[str, str],
    target: str,
    graphs: Sequence[Path],
    *,
    precision: str = "float32",
    fill_up: bool = False,
) -> Path:
    """Write the manifest of a folder.

    Args:
        folder: where the graphs are.
        stamp: metadata of the graphs, as `mam.model.contract.metadata` returns it.
        target: what the folder was written for.
        graphs: its graphs.
        precision: a key of `export.limits.OF_PRECISION`.
        fill_up: whether padding points may fill up a prompt that has fewer points than a decoder.

    Returns:
        The manifest's path.
    """
    policy = InferencePolicy.from_stamp(dict(stamp))
    facts = {
        "target": target,
        "contract": stamp["mam_contract"],
        "variant": stamp["mam_variant"],
        "checkpoint_sha256": stamp["mam_checkpoint_sha256"],
        "precision": precision,
        "limits": OF_PRECISION[precision],
        "image": {"side": frames.SIDE, "mean": frames.PIXEL_MEAN, "std": frames.PIXEL_STD},
        "points": {"labels": contract.POINT_LABELS, "padding_point": [0, 0], "fill_up": fill_up},
        "masks": {"multimask": policy.multimask, "mask_input_logit": prompts.MASK_LOGIT},
        "main_object": policy.main_object,
        "sam2": policy.sam2,
        "crop": None if policy.crop_margin is None else _crop(policy),
        "mask_guidance": {"alpha": 0, "mask": 1},
        "files": [_describe(path) for path in graphs],
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    return path


def _crop(policy: InferencePolicy) -> dict[str, Any]:
    return {
        "margin": policy.crop_margin,
        "min_side": crops.MIN_SIDE,
        "min_zoom": crops.MIN_ZOOM,
        "click_side": None if policy.multimask else crops.CLICK_SIDE,
        "max_edge_contact": crops.EDGE_CONTACT,
        "unseen_logit": crops.UNSEEN_LOGIT,
    }


def _describe(path: Path) -> dict[str, Any]:
    data = path.with_name(f"{path.name}.data")
    weights = {"data": data.name, "data_sha256": sha256(data)} if data.exists() else {}
    inputs, outputs = _tensors_of_onnx(path) if path.suffix == ".onnx" else _tensors_of_ort(path)
    return {"file": path.name, "sha256": sha256(path), **weights, "inputs": inputs, "outputs": outputs}


def _tensors_of_onnx(path: Path) -> list[list[dict[str, Any]]]:
    graph = onnx.load(path, load_external_data=False).graph
    return [
        [
            {
                "name": value.name,
                "dtype": onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
                "shape": [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim],
            }
            for value in values
        ]
        for values in (graph.input, graph.output)
    ]


def _tensors_of_ort(path: Path) -> list[list[dict[str, Any]]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [
        [{"name": value.name, "dtype": _TYPES[value.type], "shape": value.shape} for value in values]
        for values in (session.get_inputs(), session.get_outputs())
    ]
