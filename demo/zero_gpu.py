"""ONNX graphs on a ZeroGPU Space, which attaches a GPU for the time of each call.

Sessions are made inside the decorated function, on first use in the process that has the GPU; only arrays go in and
out. Elsewhere the `spaces` package is not needed, and not imported.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np

from mam.model.contract import Graph
from mam.model.providers import Device
from mam.model.runtime import OnnxGraphs, load_graphs
from mam.model.steps import Values, to_numpy

_SECONDS = 20  # of GPU time that one call asks for at most


def is_zero_gpu() -> bool:
    """Return whether this is a ZeroGPU Space."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


class ZeroGpuGraphs:
    """A `mam.model.steps.Graphs` that runs every call where the GPU is.

    Args:
        folder: A folder of exported graphs.
        device: The device there; tests without a GPU use "cpu".
    """

    def __init__(self, folder: Path, device: Device = "cuda") -> None:
        import spaces

        described = load_graphs(folder, "cpu")  # checks the files
        self.variant, self.folder, self.policy = described.variant, described.folder, described.policy
        self.provider, self.note = "CUDAExecutionProvider", "A GPU is attached for each step (ZeroGPU)."
        self._device = device
        self._run = spaces.GPU(duration=_SECONDS)(_run_graph)

    def run(self, graph: Graph, values: Values, /) -> dict[str, np.ndarray]:
        """See `mam.model.steps.Graphs.run`."""
        return self._run(self.folder, self._device, graph, values)


@functools.cache
def load_cached_graphs(folder: Path, device: Device) -> OnnxGraphs:
    """Load graphs once per process; called where the GPU is."""
    return load_graphs(folder, device)


def _run_graph(folder: Path, device: Device, graph: Graph, values: Values) -> dict[str, np.ndarray]:
    outputs = load_cached_graphs(folder, device).run(graph, values)
    # The GPU is detached after the call, so everything is copied, but the image, which the next step gets anyway.
    return {name: to_numpy(output) for name, output in outputs.items() if name != "image"}
