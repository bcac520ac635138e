"""The whole tool as static files: the graphs, onnxruntime-web, the canvas of `demo`, and the files of `web/`."""
