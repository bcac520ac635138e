"""One row with an image and a prompt in; one row with its matte, or the reason why there is none, out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mam.cluster import storage
from mam.compose.composition import OutputOptions
from mam.errors import InputError, MamError, PromptError
from mam.images import open_photo
from mam.images.encode import describe_source, format_of
from mam.matte import Matte
from mam.matting import Matting
from mam.scene import PROMPTS

Row = dict[str, Any]


class Cutter:
    """A loaded model that is called with rows; the columns are described in `mam.cluster.matte_dataset`."""

    def __init__(self, matting: Matting, options: OutputOptions, skip_existing: bool) -> None:
        self.matting, self.options, self.skip_existing = matting, options, skip_existing

    @classmethod
    def load(cls, matting: dict[str, Any], options: OutputOptions, skip_existing: bool) -> Cutter:
        """Load a model; `matting` holds the arguments of `mam.Matting.load`, whose errors are raised."""
        return cls(Matting.load(**matting), options, skip_existing)

    def __call__(self, row: Row) -> Row:
        """Cut out one image; a failure is stated in the row."""
        try:
            return self._cut_out(row)
        except (MamError, OSError, ValueError, MemoryError) as error:
            return fail(row, str(error) or type(error).__name__)
        except Exception as error:  # a defect of ours must not end a run of a million images either
            return fail(row, f"{type(error).__name__}: {error}")

    def _cut_out(self, row: Row) -> Row:
        result: Any = row.get("result")
        if "result" in row:
            if result is None:
                raise InputError("the row has no result; expected a path or an address in the column `result`.")
            file_format = format_of(result)  # fails before the work
            if self.skip_existing and storage.exists(result):
                return _answer(row, "exists")
        if row.get("image") is None:
            raise InputError("the row has no image; expected a path, an address or bytes in the column `image`.")
        # Tables hold arrays, and None where a row has no value.
        prompt = {name: _to_lists(row[name]) for name in PROMPTS if row.get(name) is not None}
        if "mask" in prompt:
            prompt["mask"] = storage.resolve(prompt["mask"])
        scene = self.matting.open(open_photo(storage.resolve(row["image"]), self.matting.max_pixels))
        matte = scene.matte(**prompt)
        if not isinstance(matte, Matte):
            raise PromptError(str(matte))
        if "result" in row:
            source = describe_source(row["image"], result) if isinstance(row["image"], str) else ""
            storage.write(matte.encode(file_format, self.options, source), result)
        return _answer(row, "done", matte=matte)


def fail(row: Row, reason: str) -> Row:
    """Return the row of an image that has no matte, with the reason."""
    return _answer(row, "failed", reason)


def fail_for_death(row: Row) -> Row:
    """Return the row of an image that ended the process which worked on it."""
    return fail(row, "the process that worked on this image ended: it lacked memory, or a decoder crashed.")


def _answer(row: Row, status: str, reason: str = "", matte: Matte | None = None) -> Row:
    """Return a row; the columns are the same for every status, because Ray joins rows into tables."""
    kept = {name: None if isinstance(value, bytes) else value for name, value in row.items()}
    if "result" not in row:
        kept["alpha"] = None if matte is None else matte.encode("PNG", OutputOptions(alpha=True))
        kept["cutout"] = None if matte is None else matte.encode("PNG")
    return {**kept, "status": status, "reason": reason, "score": math.nan if matte is None else matte.score}


def _to_lists(value: Any) -> Any:
    """Turn arrays, also arrays of arrays of different lengths, into lists."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return [_to_lists(item) for item in value] if isinstance(value, list) else value
