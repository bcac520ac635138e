"""The three graphs in onnxruntime: loaded, checked against the contract, and run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mam.errors import GraphError
from mam.model import contract
from mam.model.folders import BUNDLE
from mam.model.providers import (
    CPU,
    CUDA,
    Device,
    GraphInMemory,
    check_device,
    onnxruntime,
    open_sessions,
    path_of,
    run_options,
)
from mam.model.steps import Array, Values
from mam.model.template import complete, is_template

if TYPE_CHECKING:
    import onnxruntime as ort

_NUMPY_DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}


@dataclass(frozen=True, eq=False)
class OnnxGraphs:
    """`Graphs` as three onnxruntime sessions that belong together.

    Threads may share it. A pickle holds the folder, device and threads; unpickling loads the files again.

    Attributes:
        sessions: by the names of the contract's graphs.
        device: as requested from `load_graphs`.
        threads: as requested from `load_graphs`.
    """

    variant: str
    folder: Path
    provider: str
    note: str
    policy: contract.InferencePolicy
    sessions: dict[str, ort.InferenceSession]
    device: Device = "auto"
    threads: int | None = None

    def __reduce__(self) -> tuple[Callable[..., OnnxGraphs], tuple[Any, ...]]:
        return load_graphs, (self.folder, self.device, self.threads)

    def __repr__(self) -> str:
        return f"OnnxGraphs({self.variant} on {self.provider}, {str(self.folder)!r})"

    def run(self, graph: contract.Graph, values: Values, /) -> dict[str, Array]:
        """See `Graphs.run`. On a GPU, outputs stay there, and inputs that are there already are not copied."""
        session = self.sessions[graph.name]
        gpu = check_device(self.device)[1] if self.provider == CUDA else None
        kept: dict[str, Array] = {}
        if gpu is not None and graph == contract.IMAGE_ENCODER:
            # The image stays on the GPU with its features, because each matte reads it again.
            image = np.ascontiguousarray(values["image"])
            kept = values = {"image": onnxruntime().OrtValue.ortvalue_from_numpy(image, "cuda", gpu)}
        try:
            binding = session.io_binding()
            for tensor in session.get_inputs():
                value = values[tensor.name]
                if isinstance(value, np.ndarray):
                    # Unlike np.ascontiguousarray, this keeps a scalar a scalar, which OpenVINO insists on.
                    binding.bind_cpu_input(tensor.name, np.asarray(value, order="C"))
                else:
                    binding.bind_ortvalue_input(tensor.name, value)
            names = [tensor.name for tensor in session.get_outputs()]
            for name in names:
                binding.bind_output(name, "cpu" if gpu is None else "cuda", gpu or 0)
            session.run_with_iobinding(binding, run_options(gpu))
            outputs = dict(zip(names, binding.get_outputs(), strict=True))
        except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
            advice = "; on the CPU (device='cpu') it may still run" if self.provider != CPU else ""
            raise GraphError(f"{self.folder / graph.file} failed on {self.provider}{advice}: {error}") from error
        return kept | {name: value.numpy() if gpu is None else value for name, value in outputs.items()}


def load_graphs(folder: str | os.PathLike[str], device: Device = "auto", threads: int | None = None) -> OnnxGraphs:
    """Load and check a folder of graphs.

    Args:
        folder: contains `image_encoder.onnx`, `mask_decoder.onnx` and `matte.onnx` of one export, or a template of
            them (`mam.model.template`) with its checkpoints in the cache.
        device: a name in `mam.model.providers.PROVIDERS`, an error if it is not available; "auto", CUDA if there is a
            driver for it, else the CPU.
        threads: CPU threads per graph; None lets onnxruntime choose.

    Raises:
        GraphError: a file is missing or broken, the three do not belong together, or the requested
            device is not available.
        WeightsError: a checkpoint of a template is missing or damaged, or holds another network.
    """
    folder = Path(folder)
    graphs, about_matte = complete(folder, BUNDLE / contract.MATTE.file) if is_template(folder) else _files(folder)
    opened, provider, note = open_sessions(graphs, device, threads)
    sessions = dict(zip((graph.name for graph in contract.GRAPHS), opened, strict=True))
    stamps = {}
    for graph, source in zip(contract.GRAPHS, graphs, strict=True):
        path = path_of(source)
        stamp = _check_graph(graph, sessions[graph.name], path)
        if path.parent == folder:  # not the embedded Mask-to-Matte
            stamps[graph.file] = stamp
    _check_one_set(stamps, folder)
    stamp = stamps[contract.IMAGE_ENCODER.file]
    lacking = contract.metadata("", "").keys() - stamp.keys()
    if lacking:
        raise GraphError(
            f"the graphs in {folder} lack the metadata {', '.join(sorted(lacking))}. Export the set again."
        )
    policy = contract.InferencePolicy.from_stamp(stamp)
    note = f"{note} {about_matte}".strip()
    return OnnxGraphs(stamp["mam_variant"], folder, provider, note, policy, sessions, device, threads)


def _files(folder: Path) -> tuple[list[Path | GraphInMemory], str]:
    """Return the files of a set in the contract's order, and nothing to note."""
    missing = [graph.file for graph in contract.GRAPHS if not (folder / graph.file).is_file()]
    if missing:
        raise GraphError(
            f"{folder} lacks {', '.join(missing)}; expected the three files that "
            "`python -m export graphs --out FOLDER` writes."
        )
    return [folder / graph.file for graph in contract.GRAPHS], ""


def _check_graph(graph: contract.Graph, session: ort.InferenceSession, path: Path) -> dict[str, str]:
    """Compare a file with the contract; return its metadata that must be equal in all three files."""
    stamp = session.get_modelmeta().custom_metadata_map
    if stamp.get("mam_graph") != graph.name:
        raise GraphError(
            f"{path} is {stamp.get('mam_graph') or 'no graph of this project'}; expected {graph.name}. "
            "Export the set again with `python -m export graphs`."
        )
    if stamp.get("mam_contract") != contract.VERSION:
        raise GraphError(
            f"{path} follows version {stamp.get('mam_contract')} of the contract; this library expects version "
            f"{contract.VERSION}. Export the set again with this version's `python -m export graphs`."
        )
    graph = graph.having({tensor.name for tensor in (*session.get_inputs(), *session.get_outputs())})
    for declared, found in ((graph.inputs, session.get_inputs()), (graph.outputs, session.get_outputs())):
        expected = [(t.name, t.dtype, len(t.shape)) for t in declared]
        got = [(t.name, _NUMPY_DTYPES.get(t.type, t.type), len(t.shape)) for t in found]
        if expected != got:
            raise GraphError(f"{path} has tensors {got}; the contract requires {expected}. Export the set again.")
    return {key: value for key, value in stamp.items() if key.startswith("mam_") and key != "mam_graph"}


def _check_one_set(stamps: dict[str, dict[str, str]], folder: Path) -> None:
    expected = contract.metadata("", "")
    for key in sorted(set().union(*stamps.values())):
        values = {file: stamp.get(key) for file, stamp in stamps.items()}
        if len(set(values.values())) > 1:
            differing = ", ".join(f"{file}: {value}" for file, value in values.items())
            raise GraphError(
                f"the graphs in {folder} are of different models ({key}: {differing}). Export all three again."
            )
        if key.startswith("mam_pixel") and expected.get(key) != values[contract.IMAGE_ENCODER.file]:
            raise GraphError(
                f"the graphs in {folder} expect {key} {values[contract.IMAGE_ENCODER.file]}; this library uses "
                f"{expected.get(key)}."
            )
