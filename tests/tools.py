"""Load a program of tools/ as a module, by its path: the folder is no package, and others may have its name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parents[1] / "tools"


def load_tool(name: str) -> ModuleType:
    """`tools/NAME.py` as a module named `tools_NAME`, imported afresh."""
    specification = importlib.util.spec_from_file_location(f"tools_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # where dataclasses look up their annotations
    specification.loader.exec_module(module)
    return module
