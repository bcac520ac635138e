"""A check of a model on ten small photographs with known masks: is it better than `tiny`, and fast enough here?

    prove()         runs both models on `mam/proof_set`, stores the outcome beside the model and returns it
    read_proof()    returns what was stored, if it still holds

Each picture is prompted by a box, by a click in the middle of the object, and by a second click on the largest error of
the first answer. A picture's score is the mean IoU of the three answers. A model is better if the lower end of the
one-sided 95% confidence interval of the mean difference in score (a paired t-test on the pictures) is above 0.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFilter

import mam
from mam.images.boxes import PixelBox, mask_bounds
from mam.masks.prompts import Prompt
from mam.matte import Matte
from mam.matting import Matting
from mam.model import contract
from mam.model.template import is_template, read_manifest
from mam.weights import cache_folder
from mam.weights.cache import no_link

FOLDER = Path(__file__).parent / "proof_set"
MOST_SECONDS = 5.0
"""Longest time from an opened photo to the first matte that a visitor is asked to wait."""

_QUANTILE = 1.833  # 95% of Student's t distribution with 9 degrees of freedom: ten pictures
_ALPHA_RATIO = 1.1  # two pictures are too few for a test; so up to this multiple of tiny's alpha error is accepted
_KINDS = ("box", "click", "corrected")

T = TypeVar("T")
Measured = dict[str, float]
"""Means over pictures: `iou_box` of the matte, `iou_click` and `iou_corrected` of the masks, `alpha_error` of the matte
by the box (mean absolute difference). Medians of seconds: `seconds_open`, `seconds_box` to the matte, and to the
masks `seconds_click` and `seconds_corrected`."""


@dataclass(frozen=True)
class Proof:
    """The outcome of a check.

    Attributes:
        model: the variant's name.
        better: whether it may replace `tiny` without having been chosen by a person.
        reason: a sentence about that.
        measured: figures for the model; empty if it failed.
        tiny: figures for `tiny`, measured on the same machine at the same time.
        versions: what the outcome holds for: `mam`, `provider` and the model's `files` with their sizes and times.
    """

    model: str
    better: bool
    reason: str
    measured: Measured
    tiny: Measured
    versions: dict[str, object]

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        return f"{'better than tiny' if self.better else 'not better than tiny'}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Picture:
    """A photograph of the proof set.

    Attributes:
        pixels: (H, W, 3) uint8.
        alpha: (H, W) float32 in [0, 1]; 0 or 1 for most pictures.
        mask: (H, W) bool, alpha above one half.
        box: around the mask.
        click: (x, y) in the middle of the mask.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    box: PixelBox
    click: tuple[int, int]


def prove(matting: Matting, tiny: Matting) -> Proof:
    """Check a model, which takes some seconds, and store the outcome beside it.

    Args:
        matting: the model; one that raises an error is not better.
        tiny: the embedded model on the same device.
    """
    versions = _versions(matting.graphs.folder, matting.graphs.provider)
    ours: list[Measured] = []
    theirs: list[Measured] = []
    try:
        for picture in load_pictures():  # by turns, so that other programs on this machine slow both
            ours.append(_measure(matting, picture))
            theirs.append(_measure(tiny, picture))
        better, reason = judge(ours, theirs)
    except Exception as error:  # nobody has run this model before, so any error counts as a failure
        better, reason, ours, theirs = False, f"it failed ({type(error).__name__}: {error})", [], []
    proof = Proof(matting.graphs.variant, better, reason, _summarise(ours), _summarise(theirs), versions)
    if ours:  # a failure may be a passing one, such as too little memory
        with (
            contextlib.suppress(OSError),  # in a folder that is not writable; the check is run again next time
            open(proof_file(matting.graphs.folder), "w", encoding="utf-8", opener=no_link) as stream,
        ):
            json.dump(dataclasses.asdict(proof), stream, indent=1)
    return proof


def read_proof(folder: Path, provider: str | None = None) -> Proof | None:
    """Return the stored outcome for a model; None if there is none for these files and this version.

    Args:
        folder: the folder of its graphs or of their template.
        provider: the execution provider that the outcome should be for; None for any.
    """
    try:
        proof = Proof(**json.loads(proof_file(folder).read_text("utf-8")))
        return proof if proof.versions == _versions(folder, provider or str(proof.versions["provider"])) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def proof_file(folder: Path) -> Path:
    """Return where the outcome for a model is stored: beside its graphs, or beside the checkpoints of a template."""
    return cache_folder() / f"{folder.name}.proof.json" if is_template(folder) else folder / "proof.json"


def judge(ours: Sequence[Measured], tiny: Sequence[Measured]) -> tuple[bool, str]:
    """Return whether a model is better than `tiny`, and a sentence about that.

    Args:
        ours: what was measured on each picture.
        tiny: the same of `tiny`.
    """
    mean, of_tiny = (
        np.array([[one[f"iou_{kind}"] for kind in _KINDS] for one in each]).mean(1) for each in (ours, tiny)
    )
    gains = mean - of_tiny
    least = gains.mean() - _QUANTILE * gains.std(ddof=1) / len(gains) ** 0.5
    whole, whole_tiny = _summarise(ours), _summarise(tiny)
    first = whole["seconds_open"] + whole["seconds_box"]
    compared = f"mean IoU {mean.mean():.3f}, tiny's {of_tiny.mean():.3f}"
    if not least > 0:
        chance = f"; that may be chance, its lower 95% bound is {least:+.3f}" if gains.mean() > 0 else ""
        return False, f"{compared}{chance}"
    if whole["alpha_error"] > _ALPHA_RATIO * whole_tiny["alpha_error"]:
        return False, f"error of the alphas {whole['alpha_error']:.4f}, tiny's {whole_tiny['alpha_error']:.4f}"
    if first > MOST_SECONDS:
        return (
            False,
            f"the first answer takes {first:.1f} s on this machine, and at most {MOST_SECONDS:.0f} s are accepted",
        )
    return True, f"{compared}: better by at least {least:.3f} with 95% confidence"


@functools.cache
def load_pictures() -> tuple[Picture, ...]:
    """Load the proof set, in the order of the file names."""
    return tuple(_load(file) for file in sorted(FOLDER.glob("*.jpg")))


def _load(file: Path) -> Picture:
    alpha = np.asarray(Image.open(file.with_suffix(".png")).convert("L"), np.float32) / 255
    mask, pixels = alpha > 0.5, np.asarray(Image.open(file).convert("RGB"))
    return Picture(pixels, alpha, mask, mask_bounds(mask) or (0, 0, 1, 1), _middle(mask)[0])


def _measure(matting: Matting, picture: Picture) -> Measured:
    found: Measured = {}

    def timed(step: str, run: Callable[[], T]) -> T:
        begun = time.perf_counter()
        answer = run()
        found[f"seconds_{step}"] = time.perf_counter() - begun
        return answer

    def compare(kind: str, mask: np.ndarray) -> None:
        found[f"iou_{kind}"] = float((mask & picture.mask).sum() / max(1, (mask | picture.mask).sum()))

    scene = timed("open", lambda: matting.open(picture.pixels))
    boxed = timed("box", lambda: scene.matte(box=picture.box))
    alpha = boxed.alpha if isinstance(boxed, Matte) else np.zeros_like(picture.alpha)
    compare("box", alpha > 0.5)
    if not np.array_equal(picture.alpha, picture.mask):
        found["alpha_error"] = float(np.abs(alpha - picture.alpha).mean())
    (clicked,) = timed("click", lambda: scene.segment([Prompt(points=[picture.click])]))
    compare("click", clicked.mask)
    points, labels = _correct(picture, clicked.mask)
    again = Prompt(points=points, labels=labels, previous=clicked)
    (corrected,) = timed("corrected", lambda: scene.segment([again]))
    compare("corrected", corrected.mask)
    return found


def _correct(picture: Picture, mask: np.ndarray) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the first click and one in the middle of the larger error, with their labels."""
    (missed, depth), (excess, excess_depth) = _middle(picture.mask & ~mask), _middle(mask & ~picture.mask)
    if max(depth, excess_depth) < 0:  # the mask is right already
        return [picture.click], [1]
    return [picture.click, missed if depth >= excess_depth else excess], [1, int(depth >= excess_depth)]


def _middle(mask: np.ndarray) -> tuple[tuple[int, int], int]:
    """Return the (x, y) of a mask that is farthest from its edge, and how far: what is left when it is eroded."""
    left, depth = Image.fromarray(np.pad(mask, 1)).convert("L"), 0
    while (eroded := left.filter(ImageFilter.MinFilter(3))).getbbox() is not None:
        left, depth = eroded, depth + 1
    places = np.argwhere(np.asarray(left)[1:-1, 1:-1])
    if not len(places):
        return (0, 0), -1
    y, x = places[len(places) // 2]
    return (int(x), int(y)), depth


def _summarise(pictures: Sequence[Measured]) -> Measured:
    """Return means over pictures, and medians of times."""
    values: dict[str, list[float]] = {}
    for picture in pictures:
        for name, value in picture.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.median(one) if name.startswith("seconds") else np.mean(one)) for name, one in values.items()}


def _versions(folder: Path, provider: str) -> dict[str, object]:
    files = [folder / graph.file for graph in contract.GRAPHS]
    if is_template(folder):
        files = [cache_folder() / part.checkpoint for part in read_manifest(folder).values()]
    state = {file.name: [(stat := file.stat()).st_size, stat.st_mtime_ns] for file in files if file.exists()}
    return {"mam": mam.__version__, "provider": provider, "files": state}
