"""torch -> ONNX: `python -m export graphs | check`. Imports `mam`; nothing imports it."""
