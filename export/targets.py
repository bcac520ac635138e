"""The runtimes that `export edge` writes graphs for."""

TARGETS = ("openvino", "mobile", "tensorrt")
SAM = "sam"
"""Not a runtime: the two files of Meta's ONNX export, which other tools for SAM read."""
