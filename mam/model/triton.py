"""The three graphs on a Triton server that holds what `python -m export triton` wrote; needs `tritonclient[http]`."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from mam.errors import GraphError
from mam.model import contract
from mam.model.steps import Values, to_numpy

_ADDRESS = re.compile(r"(?:https?://)?(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?(?:/.*)?")
_SECONDS = 300.0  # for an answer, which may wait in the server's queue


def model_name(graph: contract.Graph) -> str:
    """Return the name of a graph's model on the server."""
    return f"mam_{graph.name}"


class TritonGraphs:
    """`mam.model.steps.Graphs` on a server: `Matting(TritonGraphs("localhost:8000")).open("photo.jpg").matte()`.

    Threads may share it. A pickle holds the address.

    Args:
        url: HOST:PORT, http://HOST:PORT or https://HOST:PORT of the server's HTTP endpoint.
        headers: HTTP headers of every request, such as {"Authorization": "Bearer ..."}.

    Raises:
        GraphError: `tritonclient` is not installed, the server does not answer or lacks a model, or its graphs follow
            another version of the contract.
    """

    note = ""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        if not _ADDRESS.fullmatch(url):
            raise GraphError(f"{url} is no HTTP address; expected the server's HTTP endpoint, such as localhost:8000.")
        self.url, self.headers, self._local = url, headers, threading.local()
        self._configs = {graph.name: self._call("get_model_config", model_name(graph)) for graph in contract.GRAPHS}
        parameters = self._configs[contract.IMAGE_ENCODER.name].get("parameters", {})
        stamp = {key: value["string_value"] for key, value in parameters.items()}
        if stamp.get("mam_contract") != contract.VERSION:
            raise GraphError(
                f"the models at {url} follow version {stamp.get('mam_contract')} of the contract; this library expects "
                f"version {contract.VERSION}. Write the repository again with `python -m export triton`."
            )
        self.variant, self.policy = stamp["mam_variant"], contract.InferencePolicy.from_stamp(stamp)
        self.folder, self.provider = Path(url), f"Triton at {url}"

    def __reduce__(self) -> tuple[type[TritonGraphs], tuple[str, dict[str, str] | None]]:
        return TritonGraphs, (self.url, self.headers)

    def run(self, graph: contract.Graph, values: Values, /) -> dict[str, np.ndarray]:
        """See `Graphs.run`."""
        from tritonclient.http import InferInput
        from tritonclient.utils import np_to_triton_dtype

        inputs = []
        for tensor in self._configs[graph.name]["input"]:
            value = to_numpy(values[tensor["name"]])
            value = value.reshape(value.shape or 1)  # Triton has no scalars
            inputs.append(InferInput(tensor["name"], list(value.shape), np_to_triton_dtype(value.dtype)))
            inputs[-1].set_data_from_numpy(value)
        result = self._call("infer", model_name(graph), inputs)
        return {tensor["name"]: result.as_numpy(tensor["name"]) for tensor in self._configs[graph.name]["output"]}

    def _call(self, method: str, model: str, *arguments: object) -> Any:
        """Call the client of this thread: it may not be shared."""
        try:
            from tritonclient.http import InferenceServerClient
        except ImportError as error:
            raise GraphError(
                f'Triton\'s client cannot be imported ({error}); install it with: pip install "tritonclient[http]"'
            ) from error
        try:
            if not hasattr(self._local, "client"):
                scheme, _, host = self.url.rpartition("://")
                client = InferenceServerClient(host, network_timeout=_SECONDS, ssl=scheme == "https")
                self._local.client = client
            return getattr(self._local.client, method)(model, *arguments, headers=self.headers)
        except Exception as error:  # tritonclient and gevent raise a dozen types, ValueError and AttributeError too
            raise GraphError(f"{model} at {self.url} failed: {error}") from error
