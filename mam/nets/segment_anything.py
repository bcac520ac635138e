"""The modelling modules of the package segment-anything, without the rest of it."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


@functools.cache
def segment_anything_modeling() -> ModuleType:
    """Import the package `segment_anything.modeling` without running `segment_anything/__init__.py`.

    That file imports the predictor and thereby torchvision, which cannot be imported if its compiled operators do not
    match a CPU-only torch. The modelling modules need only torch and relative imports, and load under another name.

    Raises:
        ModuleNotFoundError: segment-anything is not installed, or is incomplete.
    """
    package = importlib.util.find_spec("segment_anything")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("segment-anything is not installed", name="segment_anything")
    folder = Path(package.origin).parent / "modeling"
    name = f"{__name__}_modeling"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"segment-anything has no {folder / '__init__.py'}; install it again.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
