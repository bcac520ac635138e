"""Conversion of graphs to onnxruntime's own format, for reduced builds, which cannot read ONNX.

onnxruntime's converter evaluates `Cast`, which stores the half-precision weights in single precision: twice the file.
Without constant folding they stay as they are, and are converted at each run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort
from onnxruntime.tools.ort_format_model import create_config_from_models

OPERATORS = "required_operators_and_types.config"
"""Name of the file for `build.sh --include_ops_by_config`."""


def to_ort_format(graphs: Sequence[Path]) -> list[Path]:
    """Replace ONNX files by files in onnxruntime's format, and list the operators that they need.

    Args:
        graphs: ONNX files of one folder; they are deleted.

    Returns:
        The converted files, and after them the list of operators.
    """
    converted = []
    for path in graphs:
        target = path.with_suffix(".ort")
        options = ort.SessionOptions()
        # Higher levels fuse operators into onnxruntime's own, which accelerators of phones do not take.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry("session.save_model_format", "ORT")
        ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
        )
        path.unlink()
        path.with_name(f"{path.name}.data").unlink(missing_ok=True)
        converted.append(target)
    operators = converted[0].with_name(OPERATORS)
    create_config_from_models(converted, operators, enable_type_reduction=True)
    listed = operators.read_text("utf-8")
    operators.write_text(listed.replace(f"{operators.parent}{os.sep}", ""), "utf-8")  # paths of this machine
    return [*converted, operators]
