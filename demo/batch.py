"""Many pictures, one rule: what the batch tab does."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from demo.downloads import safe_name
from demo.views import shown
from mam import MamError, Matte, Matting, NothingFound, Scene
from mam.automatic import find_main_object
from mam.images import write_jpeg, write_png

MAX_PICTURES = 100
PREVIEW = 320  # pixels
_log = logging.getLogger(__name__)

Rule = Callable[[Scene, str], Matte | NothingFound]
"""What to cut out of a picture; given the words too, which only one of the rules reads."""


def _largest(scene: Scene, words: str) -> Matte | NothingFound:
    box = find_main_object(scene)
    return NothingFound(0.0) if box is None else scene.matte(box=box)


def _middle(scene: Scene, words: str) -> Matte | NothingFound:
    h, w = scene.photo.size
    return scene.matte(points=[(w / 2, h / 2)])


def _said(scene: Scene, words: str) -> Matte | NothingFound:
    return scene.matte(text=words)


WORDS = "What these words say"
RULES: dict[str, Rule] = {"The largest object": _largest, "What is in the middle": _middle, WORDS: _said}

CUTOUT, WHITE, ALPHA = "Cut-outs (PNG)", "On white (JPEG)", "Alphas (PNG)"
FORMS = [CUTOUT, WHITE, ALPHA]


@dataclass
class Batch:
    """What has been done so far: pairs (small picture, name), and (name, why) of what failed."""

    total: int
    done: list[tuple[Image.Image, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def run(
    matting: Matting, files: Sequence[str], rule: str, form: str, archive: Path, words: str = ""
) -> Iterator[Batch]:
    """Cut one object out of each file and collect the results in a zip; a picture that fails is listed and the rest go on.

    Args:
        matting: the model.
        files: pictures, at most `MAX_PICTURES`.
        rule: a key of `RULES`. form: one of `FORMS`.
        archive: the zip to write. words: for the rule `WORDS`.

    Yields:
        The same batch, after each picture.

    Raises:
        MamError: too many pictures, or an unknown rule.
    """
    if len(files) > MAX_PICTURES:
        raise MamError(f"{len(files)} pictures; at most {MAX_PICTURES} at once.")
    if rule not in RULES:
        raise MamError(f"no rule {rule!r}; expected one of {', '.join(RULES)}.")
    batch = Batch(len(files))
    taken: set[str] = set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:  # pictures are compressed already
        for file in files:
            name = Path(file).name
            try:
                scene = matting.open(file)
                matte = RULES[rule](scene, words)
                if not matte:
                    raise MamError(str(matte))
                written = _write(matte, form, archive.parent / "one")
                stem = _unused(
                    f"{safe_name(scene.photo.name)}_{form.split()[0].lower().rstrip('s').replace('-', '')}", taken
                )
                bundle.write(written, f"{stem}{written.suffix}")
                written.unlink()
                batch.done.append((shown(matte.over_checkerboard(), PREVIEW), name))
            except (MamError, FileNotFoundError) as error:
                batch.failed.append((name, str(error)))
            except Exception:  # one picture that nobody foresaw must not cost the others
                _log.exception("batch: %s", name)
                batch.failed.append((name, "could not be cut out, for a reason that the server's log tells"))
            yield batch


def _write(matte: Matte, form: str, path: Path) -> Path:
    profile = matte.photo.icc_profile
    if form == CUTOUT:
        return write_png(matte.cutout(), path.with_suffix(".png"), profile)
    if form == WHITE:
        return write_jpeg(matte.over("white"), path.with_suffix(".jpg"), profile)
    return write_png(matte.alpha_uint8(), path.with_suffix(".png"))


def _unused(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
