"""Start here: load a model and open an image. Read this file first.

    Matting   the three graphs, loaded
      .open() -> Scene    one image, encoded once; prompts are cheap from here on (mam/scene.py)
        .find() -> FoundBoxes    the boxes of objects named by a text prompt
        .matte() -> Matte    one object: its alpha in full resolution, its mask, cut-outs and composites (mam/matte.py)

Calls do not depend on earlier ones: a correction takes the previous `Matte` as an argument. Several threads may share a
`Matting` or a `Scene`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from mam.images import MAX_PIXELS, ImageSource, open_photo
from mam.masks.automatic import embedded_graphs
from mam.model.folders import find_model
from mam.model.load_matte import load_matte
from mam.model.matte_network import MatteNetwork
from mam.model.providers import Device
from mam.model.runtime import load_graphs
from mam.model.steps import Graphs
from mam.scene import Scene
from mam.text import GroundingLoader, TextModel, load_default
from mam.weights import Progress


@dataclass(frozen=True, eq=False)
class Matting:
    """A loaded model; pickles by the folder of its graphs.

    Attributes:
        graphs: the three steps of the model.
        max_pixels: larger images are refused before they are decoded.
        grounding: returns the model for text prompts.
        proposer: returns a model that proposes the main object to `graphs` that cannot find it, by default the embedded
            one; None to require a prompt for such graphs.
        matte_network: computes mattes again; None keeps those of `graphs`.
    """

    graphs: Graphs
    max_pixels: int = MAX_PIXELS
    grounding: Callable[[], TextModel] = field(default=load_default, repr=False)
    proposer: Callable[[], Graphs] | None = field(default=embedded_graphs, repr=False)
    matte_network: MatteNetwork | None = field(default=None, repr=False)

    @classmethod
    def load(
        cls,
        graphs: str | os.PathLike[str] | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
        grounding: str | os.PathLike[str] | None = None,
        matte: str | os.PathLike[str] | None = None,
        progress: Callable[[str], Progress | None] = lambda name: None,
    ) -> Matting:
        """Load a set of graphs, by default the embedded `tiny`.

        Args:
            graphs: a folder that `python -m export graphs` wrote, or the name of a variant, with checkpoints that
                are downloaded on first use; None for the embedded model.
            device: "auto", CUDA if there is a driver for it, else the CPU; "cpu", "cuda", "cuda:1" for the second GPU,
                "tensorrt", "openvino", "coreml" or "directml".
            threads: CPU threads per graph; None lets onnxruntime choose.
            max_pixels: larger images are refused before they are decoded.
            grounding: the folder of a text model for any phrase; None for `$MAM_GROUNDING` or the default folder, and
                where there is none, the embedded one, which knows some names.
            matte: "vitmatte" to compute edges again by ViTMatte, of any graphs; it is downloaded on first use (110 MB)
                and takes seconds per object. "semat" to compute whole mattes again by SEMat, whose checkpoint has to
                be got by hand. Or the path of either's file; None for the mattes of `graphs`.
            progress: called with the name of each file to download, returns what is called during its download with
                the bytes received and expected.

        Raises:
            GraphError: the folder is not a complete set of this contract, `matte` is another network, or the device is
                not available.
            WeightsError: a checkpoint cannot be downloaded, or is damaged.
        """
        loaded = load_graphs(find_model(graphs, progress), device, threads)
        proposer = functools.partial(embedded_graphs, threads)
        network = None if matte is None else load_matte(matte, device, threads, progress)
        return cls(loaded, max_pixels, GroundingLoader(grounding, device, threads), proposer, network)

    def open(self, image: ImageSource) -> Scene:
        """Open an image and encode it: the slow step, done once for all prompts.

        Args:
            image: a path, a file's bytes, a PIL image, or an array; see `mam.images.open_photo`.

        Raises:
            InputError, ImageTooLarge, FileNotFoundError: the image cannot be used.
        """
        return Scene(self.graphs, open_photo(image, self.max_pixels), self.grounding, self.proposer, self.matte_network)
