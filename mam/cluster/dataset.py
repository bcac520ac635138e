"""From a Ray dataset of images and prompts to a Ray dataset of mattes, on a pool of actors."""

from __future__ import annotations

import functools
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mam.cluster.cutter import Cutter, fail_for_death
from mam.compose.composition import OutputOptions
from mam.errors import MamError
from mam.images import MAX_PIXELS
from mam.isolation import Isolated

if TYPE_CHECKING:
    from ray.data import Dataset

# Ray would send usage data to its makers. It reads this variable when a cluster starts; 1 allows it.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def require_ray() -> ModuleType:
    """Import Ray with its datasets when it is first needed.

    Raises:
        MamError: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MamError(f'Ray cannot be imported ({error}); install it with: pip install "ray[data]"') from error
    return ray


def matte_dataset(
    dataset: Dataset,
    *,
    graphs: str | os.PathLike[str] | None = None,
    grounding: str | os.PathLike[str] | None = None,
    matte: str | os.PathLike[str] | None = None,
    options: OutputOptions | None = None,
    skip_existing: bool = True,
    actors: int | tuple[int, int] | None = None,
    cpus: int = 1,
    gpus: float = 0.0,
    max_pixels: int = MAX_PIXELS,
) -> Dataset:
    """Cut one object out of each image of a dataset; lazy, as all of Ray's transformations.

    Each actor loads the graphs once and works on one image at a time in a child process, so that an image which ends
    the process costs its own row only. Ray restarts lost actors and repeats their tasks. A task is a block of the
    dataset: where blocks are large, `dataset.repartition(target_num_rows_per_block=8)` before makes the loss small. It
    needs a core that the actors do not reserve.

    Args:
        dataset: one image per row. Columns:

            - `image`: a path that all nodes can read, an address (`s3://`, `gs://`, `abfs://`, `hdfs://`, `file://`,
              `http(s)://`) of a file of at most 100 MB, or the bytes of a file;
            - `result`, optional: the path or address to write to, ending in .png, .webp or .jpg. Credentials come
              from the environment, as for `pyarrow.fs`;
            - `box`, `points`, `labels`, `scribbles`, `scribble_labels`, `mask` (as `image`), `text`, `guidance`,
              optional: the arguments of `mam.Scene.matte`; without any, the main object is cut out.

            Other columns are kept.
        graphs: as for `mam.Matting.load`; a folder must exist on all nodes.
        grounding: the same, for text prompts.
        matte: the same.
        options: what is written into `result`; None for the transparent cut-out.
        skip_existing: leave out images with a `result` that exists.
        actors: how many, or the least and the most; None lets the pool grow as far as the cluster's resources reach.
        cpus: cores that an actor reserves, and threads of its graphs.
        gpus: GPUs that an actor reserves, such as 1 or 0.25. Above 0 the graphs run on CUDA and no cores are reserved.
        max_pixels: larger images are refused before they are decoded.

    Returns:
        One row per image: the input's columns, with None in place of bytes; `status`, "done", "exists" or "failed";
        `reason`, empty unless it failed; `score` float, the predicted IoU, NaN unless done. Without `result` also the
        contents of two PNG files: `alpha`, grey, and `cutout`, RGBA; None unless done.

    Raises:
        MamError: Ray is not installed.
    """
    ray = require_ray()
    matting = {
        "graphs": graphs,
        "device": "cuda" if gpus else "cpu",
        "threads": None if gpus else cpus,
        "max_pixels": max_pixels,
        "grounding": grounding,
        "matte": matte,
    }
    load = functools.partial(Cutter.load, matting, options or OutputOptions(), skip_existing)
    least, most = (actors, actors) if isinstance(actors, int) else actors or (1, None)
    resources: dict[str, Any] = {"num_gpus": gpus} if gpus else {"num_cpus": cpus}
    worker: Any = Isolated  # Ray's types know functions only
    return dataset.map(
        worker,
        fn_constructor_args=(load, fail_for_death),
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
        **resources,
    )
