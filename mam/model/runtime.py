"""The three graphs as one object: the protocol that the library calls, and its implementation with onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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
from mam.model.skeleton import complete, is_skeleton

if TYPE_CHECKING:
    import onnxruntime as ort

_NUMPY_DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}


class DeviceArray(Protocol):
    """An array in the memory of a device, such as `onnxruntime.OrtValue`."""

    def numpy(self) -> np.ndarray:
        """Copy it to main memory."""


Array = np.ndarray | DeviceArray
"""An array in main memory, or left in the memory of the GPU."""

Features = Mapping[str, Array]
"""The image encoder's outputs for one image, by the contract's names: `image_embeddings` (1, 256, 64, 64) float32, and
the high-resolution features of a variant that has them."""


def to_numpy(values: Array) -> np.ndarray:
    """Copy an array to main memory if it is not there already."""
    return values if isinstance(values, np.ndarray) else values.numpy()


class Graphs(Protocol):
    """The three steps of the model, whatever runs them: `OnnxGraphs` here, others in export, demo and tests.

    Attributes:
        variant: the model's name.
        folder: where the graphs were loaded from.
        provider: the execution provider that runs them.
        note: a sentence that explains the choice of provider; empty if it needs none.
        policy: the crops and the mask candidates that the model was made for.
    """

    @property
    def variant(self) -> str: ...  # noqa: D102 - described above, as are the next four

    @property
    def folder(self) -> Path: ...  # noqa: D102

    @property
    def provider(self) -> str: ...  # noqa: D102

    @property
    def note(self) -> str: ...  # noqa: D102

    @property
    def policy(self) -> contract.InferencePolicy: ...  # noqa: D102

    def encode(self, image: np.ndarray, /) -> Features:
        """`image` (1, 3, 1024, 1024) float32, input frame -> features, on the GPU if that runs the graphs."""

    def decode(
        self,
        features: Features,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """B prompts -> `low_res_masks` (B, 4, 256, 256) and `iou_predictions` (B, 4); see `mam.model.contract`."""

    def matte(
        self,
        image: np.ndarray,
        features: Features,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """B masks (B, 1, 256, 256) -> `alpha` (B, 1, H, W) float32 in [0, 1], original frame."""


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

    def encode(self, image: np.ndarray, /) -> Features:
        """See `Graphs.encode`."""
        if self.provider != CUDA:
            return {name: values.numpy() for name, values in self.run(contract.IMAGE_ENCODER, {"image": image}).items()}
        # The image stays on the GPU with its features, because each matte reads it again.
        gpu = check_device(self.device)[1]
        uploaded: DeviceArray = onnxruntime().OrtValue.ortvalue_from_numpy(np.ascontiguousarray(image), "cuda", gpu)
        return {"image": uploaded, **self.run(contract.IMAGE_ENCODER, {"image": uploaded})}

    def decode(
        self,
        features: Features,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Graphs.decode`."""
        prompts = {
            "point_coords": point_coords,
            "point_labels": point_labels,
            "mask_input": mask_input,
            "has_mask_input": has_mask_input,
        }
        found = self.run(contract.MASK_DECODER, {**features, **prompts})
        return found["low_res_masks"].numpy(), found["iou_predictions"].numpy()

    def matte(
        self,
        image: np.ndarray,
        features: Features,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """See `Graphs.matte`."""
        inputs = {
            "image": image,
            "mask_logits": mask_logits,
            "input_size": np.asarray(input_size, np.int64),
            "original_size": np.asarray(original_size, np.int64),
            "mask_guidance": np.asarray(mask_guidance),
        }
        return self.run(contract.MATTE, {**inputs, **features})["alpha"].numpy()

    def run(self, graph: contract.Graph, values: Features) -> dict[str, DeviceArray]:
        """Run one graph on those of the values that it reads, by name.

        Its outputs stay on the device, and inputs that are on the device already are not copied.
        """
        session = self.sessions[graph.name]
        gpu = check_device(self.device)[1] if self.provider == CUDA else None
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
            return dict(zip(names, binding.get_outputs(), strict=True))
        except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
            advice = "; on the CPU (device='cpu') it may still run" if self.provider != CPU else ""
            raise GraphError(f"{self.folder / graph.file} failed on {self.provider}{advice}: {error}") from error


def load_graphs(folder: str | os.PathLike[str], device: Device = "auto", threads: int | None = None) -> OnnxGraphs:
    """Load and check a folder of graphs.

    Args:
        folder: contains `image_encoder.onnx`, `mask_decoder.onnx` and `matte.onnx` of one export, or a skeleton of
            them (`mam.model.skeleton`) with its checkpoints in the cache.
        device: a name in `mam.model.providers.PROVIDERS`, an error if it is not available; "auto", CUDA if there is a
            driver for it, else the CPU.
        threads: CPU threads per graph; None lets onnxruntime choose.

    Raises:
        GraphError: a file is missing or broken, the three do not belong together, or the requested
            device is not available.
        WeightsError: a checkpoint of a skeleton is missing or damaged, or holds another network.
    """
    folder = Path(folder)
    graphs, about_matte = complete(folder, BUNDLE / contract.MATTE.file) if is_skeleton(folder) else _files(folder)
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
