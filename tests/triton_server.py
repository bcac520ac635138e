"""A small server of the KServe v2 protocol over HTTP, with Triton's binary tensors: runs a model repository on
onnxruntime and refuses what Triton would refuse, such as tensors that differ from the model's configuration."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime as ort
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2 as schema
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

LENGTH = "Inference-Header-Content-Length"


def read_config(folder: Path) -> schema.ModelConfig:
    """A model's configuration, checked against Triton's published schema."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())


class Model:
    def __init__(self, folder: Path) -> None:
        self.config = read_config(folder)
        self.session = ort.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])

    def check(self, name: str, datatype: str, shape: list[int]) -> schema.ModelInput:
        (declared,) = [tensor for tensor in self.config.input if tensor.name == name]
        dims = list(declared.dims)
        if self.config.max_batch_size:
            if not 1 <= shape[0] <= self.config.max_batch_size:
                raise ValueError(f"{name} has a batch of {shape[0]}")
            shape = shape[1:]
        fits = len(dims) == len(shape) and all(d in (-1, s) for d, s in zip(dims, shape, strict=True))
        if not fits or schema.DataType.Name(declared.data_type) != f"TYPE_{datatype}":
            raise ValueError(f"{name} is {datatype} {shape}; expected {declared}")
        return declared

    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, values in feeds.items():
            if self.check(name, np_to_triton_dtype(values.dtype), list(values.shape)).HasField("reshape"):
                feeds[name] = values.reshape(())
        names = [tensor.name for tensor in self.config.output]
        return dict(zip(names, self.session.run(names, feeds), strict=True))


class TritonServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, repository: Path) -> None:
        self.models = {folder.name: Model(folder) for folder in repository.iterdir()}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TritonServer

    def do_GET(self) -> None:
        model = self.server.models.get(self.path.split("/")[3])
        if model is None or not self.path.endswith("/config"):
            self.answer(404, json.dumps({"error": "unknown model"}).encode())
            return
        config = json_format.MessageToDict(model.config, preserving_proto_field_name=True)
        self.answer(200, json.dumps(config).encode())

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        end = int(self.headers[LENGTH])
        feeds, position = {}, end
        for tensor in json.loads(content[:end])["inputs"]:
            size = tensor["parameters"]["binary_data_size"]
            values = np.frombuffer(content[position : position + size], triton_to_np_dtype(tensor["datatype"]))
            feeds[tensor["name"]], position = values.reshape(tensor["shape"]), position + size
        model = self.server.models[self.path.split("/")[3]]
        try:
            found = model.infer(feeds)
        except Exception as error:
            self.answer(400, json.dumps({"error": str(error)}).encode())
            return
        outputs = [
            {
                "name": name,
                "datatype": np_to_triton_dtype(values.dtype),
                "shape": values.shape,
                "parameters": {"binary_data_size": values.nbytes},
            }
            for name, values in found.items()
        ]
        head = json.dumps({"model_name": model.config.name, "outputs": outputs}).encode()
        self.answer(200, head + b"".join(values.tobytes() for values in found.values()), len(head))

    def answer(self, status: int, content: bytes, head: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if head is not None:
            self.send_header(LENGTH, str(head))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass
