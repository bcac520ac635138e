"""Write `manifest.json`: what a program in any language must know to run a folder of graphs, as data.

The library reads the same facts from the graphs' metadata and has the rules in code.
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
        "image": _image(),
        "points": _points(fill_up),
        "masks": _masks(policy),
        "main_object": policy.main_object,
        "crop": None if policy.crop_margin is None else _crop(policy),
        "mask_guidance": {"alpha": 0, "mask": 1},
        "files": [_describe(path) for path in graphs],
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    return path


def _image() -> dict[str, Any]:
    side = frames.SIDE
    return {
        "colours": "RGB, 0 to 255, sRGB, channels first",
        "side": side,
        "size": f"longest = max(H, W); h = max(1, (2 * {side} * H + longest) // (2 * longest)), w likewise",
        "resize": "bilinear with antialiasing, half-pixel centres, to whole numbers (Pillow's BILINEAR on uint8)",
        "mean": frames.PIXEL_MEAN,
        "std": frames.PIXEL_STD,
        "padding": "zeros at the right and at the bottom, after the normalisation",
    }


def _points(fill_up: bool) -> dict[str, Any]:
    if fill_up:
        padding = "a prompt with fewer points than the decoder is filled up with padding points, which change nothing"
    else:
        padding = "one padding point if there is no box, none beside a box; the number of points must be the decoder's"
    return {
        "labels": contract.POINT_LABELS,
        "coordinates": "x, y = position in the image's pixels, from its top left corner, times w / W and h / H",
        "order": "clicks, box_top_left, box_bottom_right, padding",
        "padding_point": [0, 0],
        "padding": padding,
        "fill_up": fill_up,
    }


def _masks(policy: InferencePolicy) -> dict[str, Any]:
    single = "of masks 1 to 3 the one with the best iou_predictions" if policy.multimask else "mask 0"
    return {
        "inside": "logit > 0",
        "multimask": policy.multimask,
        "single box or click": single,
        "several points, or a mask_input": "mask 0",
        "if another candidate contradicts fewer clicks": "that one, and of several the best iou_predictions",
        "mask_input": "the logits of the round before; has_mask_input is then 1, otherwise 0",
        "mask_input of a given mask": f"{prompts.MASK_LOGIT} inside, {-prompts.MASK_LOGIT} outside",
        "resize": "bilinear without antialiasing: from 256 to 1024, the part of h x w, then to H x W",
    }


def _crop(policy: InferencePolicy) -> dict[str, Any]:
    click = {
        "click_side": crops.CLICK_SIDE,
        "click_rule": "a single click is also answered in a square crop of click_side times the longest side; the "
        "answer with the better iou_predictions is used, unless the object is cut off by the crop",
    }
    return {
        "rule": "encode the part around a box or around the mask of the round before as an image of its own",
        "margin": policy.crop_margin,
        "margin_of": "longest side of the box or mask, added on each side, inside the image",
        "min_side": crops.MIN_SIDE,
        "min_zoom": crops.MIN_ZOOM,
        "min_zoom_of": "longest side of the image by longest side of the crop; below it the whole image is used",
        **({} if policy.multimask else click),
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
