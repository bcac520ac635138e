"""The runtimes that `export edge` writes graphs for, and what is different for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A runtime.

    Attributes:
        plain: it has no fused attention of onnxruntime, so SAM's encoders need standard operators.
        ort_format: its files are in onnxruntime's own format.
    """

    plain: bool = False
    ort_format: bool = False


TARGETS = {"openvino": Target(), "mobile": Target(ort_format=True), "tensorrt": Target(plain=True)}
SAM = "sam"
"""Not a runtime: the two files of Meta's ONNX export, which other tools for SAM read."""
