"""Conversion of torch checkpoints to ONNX graphs: `python -m export --help`. Imports `mam`, never `demo`."""
