"""The whole tool as a folder of static files: the graphs, onnxruntime-web, the canvas of `demo`, and scripts in `site/`."""
