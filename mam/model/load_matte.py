"""Find and load the network that `matte` names: ViTMatte or SEMat, by its name or by its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mam.errors import GraphError
from mam.model import semat, vitmatte
from mam.model.matte_network import MatteNetwork
from mam.model.providers import Device
from mam.weights import Progress, fetch

_FILES = {"vitmatte": vitmatte.FILE, "semat": semat.FILE}


def load_matte(
    matte: str | os.PathLike[str],
    device: Device = "auto",
    threads: int | None = None,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> MatteNetwork:
    """Load the network.

    Args:
        matte: "vitmatte", which is downloaded on first use; "semat", whose checkpoint has to be in the cache; the path
            of an ONNX file with ViTMatte's input; or the path of SEMat's checkpoint.
        device: as for `mam.Matting.load`.
        threads: CPU threads; None lets onnxruntime choose.
        progress: as for `mam.Matting.load`.

    Raises:
        GraphError: there is no such file, it is another network, or the device is not available.
        WeightsError: the file cannot be downloaded, is damaged, or is the checkpoint of another network.
    """
    name = _FILES.get(str(matte))
    path = fetch(name, progress(name)) if name else Path(matte)
    if not path.is_file():
        raise GraphError(
            f"matte is {str(matte)!r}; expected 'vitmatte', 'semat', or the path of an ONNX file of ViTMatte or of a "
            "checkpoint of SEMat."
        )
    if path.suffix.lower() == ".onnx":
        return vitmatte.ViTMatte.load(path, device, threads)
    return semat.Semat.load(path, device, threads)
