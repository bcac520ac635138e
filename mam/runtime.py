"""Run the ONNX graphs with onnxruntime, on the execution provider that was asked for or with a note saying why not."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from mam import contract
from mam.errors import GraphError

if TYPE_CHECKING:
    import onnxruntime as ort

Device = Literal["auto", "cpu", "cuda"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# Mattes differ in size, and the default would try every algorithm anew for each.
_PROVIDER_OPTIONS = {CPU: {}, CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}
_NUMPY = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}


class DeviceArray(Protocol):
    """An array in the memory of a device, such as `onnxruntime.OrtValue`."""

    def numpy(self) -> np.ndarray:
        """A copy in main memory."""


Embeddings = np.ndarray | DeviceArray
"""`image_embeddings` of one image, (1, 256, 64, 64) float32, in main memory or left in the memory of the GPU."""


class Graphs(Protocol):
    """The three steps of the model, whatever runs them: `OnnxGraphs` here, others in export, demo and tests.

    Attributes:
        variant: the model's name.
        folder: where the graphs were loaded from.
        provider: the execution provider that really runs them.
        note: one sentence for people on why that provider; empty when there is nothing to report.
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

    def encode(self, image: np.ndarray, /) -> Embeddings:
        """`image` (1, 3, 1024, 1024) float32, input frame -> `image_embeddings`."""

    def decode(
        self,
        image_embeddings: Embeddings,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """B prompts -> `low_res_masks` (B, 4, 256, 256) and `iou_predictions` (B, 4); shapes in `mam.contract`."""

    def matte(
        self,
        image: np.ndarray,
        image_embeddings: Embeddings,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """B masks (B, 1, 256, 256) -> `alpha` (B, 1, H, W) float32 in [0, 1], original frame."""


def onnxruntime() -> ModuleType:
    """The package that runs the graphs, imported when it is first needed.

    Raises:
        GraphError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise GraphError(
            f"onnxruntime cannot be imported ({error}), and nothing else runs the graphs; install it with "
            '`pip install onnxruntime`, or with `pip install "onnxruntime-gpu[cuda,cudnn]"` for an NVIDIA GPU.'
        ) from error
    return onnxruntime


@dataclass(frozen=True, eq=False)
class OnnxGraphs:
    """Three onnxruntime sessions that belong together; see `Graphs`. Safe to share between threads.

    Attributes:
        sessions: by the names of the contract's graphs.
    """

    variant: str
    folder: Path
    provider: str
    note: str
    policy: contract.InferencePolicy
    sessions: dict[str, ort.InferenceSession]

    def encode(self, image: np.ndarray, /) -> Embeddings:
        """`image` (1, 3, 1024, 1024) float32, input frame -> `image_embeddings`, left on the GPU if there is one."""
        (embeddings,) = self._run(contract.IMAGE_ENCODER, image)
        return embeddings if self.provider == CUDA else embeddings.numpy()

    def decode(
        self,
        image_embeddings: Embeddings,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """B prompts -> `low_res_masks` (B, 4, 256, 256) logits, `iou_predictions` (B, 4); shapes in `mam.contract`."""
        masks, scores = self._run(
            contract.MASK_DECODER, image_embeddings, point_coords, point_labels, mask_input, has_mask_input
        )
        return masks.numpy(), scores.numpy()

    def matte(
        self,
        image: np.ndarray,
        image_embeddings: Embeddings,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """B masks (B, 1, 256, 256) -> `alpha` (B, 1, H, W) float32 in [0, 1], original frame."""
        sizes = np.asarray(input_size, np.int64), np.asarray(original_size, np.int64)
        (alpha,) = self._run(contract.MATTE, image, image_embeddings, mask_logits, *sizes, np.asarray(mask_guidance))
        return alpha.numpy()

    def _run(self, graph: contract.Graph, *values: Embeddings) -> list[DeviceArray]:
        """Run one graph; its outputs stay where it runs, and inputs that are there already are not moved."""
        session = self.sessions[graph.name]
        try:
            binding = session.io_binding()
            for tensor, value in zip(graph.inputs, values, strict=True):
                if isinstance(value, np.ndarray):
                    binding.bind_cpu_input(tensor.name, np.ascontiguousarray(value))
                else:
                    binding.bind_ortvalue_input(tensor.name, value)
            for tensor in graph.outputs:
                binding.bind_output(tensor.name, "cuda" if self.provider == CUDA else "cpu")
            session.run_with_iobinding(binding, run_options())
            return binding.get_outputs()
        except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
            advice = "; on the CPU (device='cpu') it may still run" if self.provider == CUDA else ""
            raise GraphError(f"{self.folder / graph.file} failed on {self.provider}{advice}: {error}") from error


def run_options() -> ort.RunOptions:
    """Options of every run: memory is given back after it, which halves that of a busy process and costs a tenth of the time."""
    options = onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def load_graphs(folder: str | os.PathLike, device: Device = "auto", threads: int | None = None) -> OnnxGraphs:
    """Load and check a folder of graphs.

    Args:
        folder: holds `image_encoder.onnx`, `mask_decoder.onnx` and `matte.onnx` of one export.
        device: "cpu"; "cuda", an error if it cannot be had; "auto", CUDA if there is a driver for it, else the CPU.
        threads: CPU threads per graph; None lets onnxruntime choose.

    Raises:
        GraphError: a file is missing or broken, the three don't belong together, or CUDA was asked for in vain.
    """
    folder = Path(folder)
    missing = [graph.file for graph in contract.GRAPHS if not (folder / graph.file).is_file()]
    if missing:
        raise GraphError(
            f"{folder} lacks {', '.join(missing)}; expected the three files that "
            "`python -m export graphs --out FOLDER` writes."
        )
    opened, provider, note = open_sessions([folder / graph.file for graph in contract.GRAPHS], device, threads)
    sessions = dict(zip((graph.name for graph in contract.GRAPHS), opened))
    stamps = {graph.file: _checked_stamp(graph, sessions[graph.name], folder) for graph in contract.GRAPHS}
    _check_one_set(stamps, folder)
    stamp = stamps[contract.IMAGE_ENCODER.file]
    return OnnxGraphs(
        stamp["mam_variant"], folder, provider, note, contract.InferencePolicy.from_stamp(stamp), sessions
    )


def open_sessions(
    paths: Sequence[Path], device: Device, threads: int | None
) -> tuple[list[ort.InferenceSession], str, str]:
    """Load some graphs that run on the same device.

    Returns:
        Their sessions; the provider that really runs them, of several the slowest; and a sentence that explains the
        choice, empty when there is nothing to explain.

    Raises:
        GraphError: a file is broken, or CUDA was asked for in vain.
    """
    providers, note = _choose_providers(device)
    opened = [_session(path, providers, threads) for path in paths]
    sessions = [session for session, _ in opened]
    fallen = [path.name for path, session in zip(paths, sessions) if session.get_providers()[0] != providers[0]]
    if not fallen:
        return sessions, providers[0], note
    why = next((trouble for _, trouble in opened if trouble), "its CUDA libraries or memory were missing")
    if device == "cuda":
        raise GraphError(
            f"CUDA was asked for, but onnxruntime runs {', '.join(fallen)} on {CPU}: {why}. "
            "Install onnxruntime-gpu[cuda,cudnn], or use device='cpu'. `python -m mam doctor` tells more."
        )
    return (
        sessions,
        CPU,
        f"There is an NVIDIA driver, but CUDA could not be used ({why}); running {', '.join(fallen)} on {CPU}.",
    )


def available_providers() -> list[str]:
    """Return the execution providers that the installed onnxruntime was compiled with."""
    return onnxruntime().get_available_providers()


def cuda_driver() -> str | None:
    """The name of the NVIDIA driver's library, None where there is no driver: asking CUDA then only prints alarms."""
    for name in ("libcuda.so.1", "nvcuda.dll"):  # tried, not looked for: containers have it where only the loader looks
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


def _choose_providers(device: Device) -> tuple[list[str], str]:
    if device == "cpu":
        return [CPU], ""
    if device not in ("auto", "cuda"):
        raise GraphError(f"device is {device!r}; expected 'auto', 'cpu' or 'cuda'.")
    why_not = None
    ort = onnxruntime()
    if CUDA not in ort.get_available_providers():
        why_not = "this onnxruntime is built without CUDA (install onnxruntime-gpu instead of onnxruntime)"
    elif cuda_driver() is None:
        why_not = "there is no NVIDIA driver on this machine"
    if why_not is None:
        ort.preload_dlls()
        return [CUDA, CPU], ""
    if device == "cuda":
        raise GraphError(f"CUDA was asked for, but {why_not}. Use device='cpu' or device='auto'.")
    return [CPU], f"Running on the CPU: {why_not}."


def _session(path: Path, providers: list[str], threads: int | None) -> tuple[ort.InferenceSession, str]:
    """A session on the first provider that takes the graph, and what kept it from an earlier one."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    # Idle threads that spin would slow down the other two sessions and everything around them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Mattes differ in size, so plans of memory made for one size only cost: a fifth more memory, and no time won.
    options.enable_mem_pattern = False
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return ort.InferenceSession(
            str(path), options, providers=[(name, _PROVIDER_OPTIONS[name]) for name in providers]
        ), ""
    except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
        if len(providers) > 1:
            session, _ = _session(path, providers[1:], threads)
            return session, str(error).strip()
        raise GraphError(
            f"{path} cannot be loaded ({error}); it may be incomplete: export or download it again."
        ) from error


def _checked_stamp(graph: contract.Graph, session: ort.InferenceSession, folder: Path) -> dict[str, str]:
    path, stamp = folder / graph.file, session.get_modelmeta().custom_metadata_map
    if stamp.get("mam_graph") != graph.name:
        raise GraphError(
            f"{path} is {stamp.get('mam_graph') or 'no graph of this project'}; expected {graph.name}. "
            "Export the set again with `python -m export graphs`."
        )
    if stamp.get("mam_contract") != contract.VERSION:
        raise GraphError(
            f"{path} follows version {stamp.get('mam_contract')} of the contract; this library speaks version "
            f"{contract.VERSION}. Export the set again with this version's `python -m export graphs`."
        )
    for declared, found in ((graph.inputs, session.get_inputs()), (graph.outputs, session.get_outputs())):
        expected = [(t.name, t.dtype, len(t.shape)) for t in declared]
        got = [(t.name, _NUMPY.get(t.type, t.type), len(t.shape)) for t in found]
        if expected != got:
            raise GraphError(f"{path} has tensors {got}; the contract says {expected}. Export the set again.")
    return {key: value for key, value in stamp.items() if key.startswith("mam_") and key != "mam_graph"}


def _check_one_set(stamps: dict[str, dict[str, str]], folder: Path) -> None:
    expected = contract.metadata("", "")
    for key in stamps[contract.IMAGE_ENCODER.file]:
        values = {file: stamp.get(key) for file, stamp in stamps.items()}
        if len(set(values.values())) > 1:
            differing = ", ".join(f"{file}: {value}" for file, value in values.items())
            raise GraphError(
                f"the graphs in {folder} are of different models ({key}: {differing}). Export all three anew."
            )
        if key.startswith("mam_pixel") and expected[key] != values[contract.IMAGE_ENCODER.file]:
            raise GraphError(f"the graphs in {folder} want {key} {values}, this library feeds {expected[key]}.")
