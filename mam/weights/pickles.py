"""A restricted unpickler: it builds tensors and containers only, and never runs code that a file names.

It is Python's own unpickler with fewer operations. The variant in C cannot be restricted enough: it allocates what a
file's memo index asks for, and hashes any key.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

MAX_BYTES = 4_000_000
"""The largest pickle that is read. That of SAM ViT-H, without its numbers, has 0.1 MB."""

_OPERATIONS = """PROTO FRAME STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE
SHORT_BINUNICODE SHORT_BINSTRING BINSTRING EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 MARK BINPUT
LONG_BINPUT MEMOIZE BINGET LONG_BINGET APPEND APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID"""


_PythonUnpickler: Any = pickle._Unpickler  # joblib builds on it too; its stubs are incomplete


class PickleError(Exception):
    """A pickle that is damaged, or asks for more than tensors and containers; the message is a clause."""


class Global:
    """An object that a file refers to by its module and name; it is never imported.

    Args:
        name: such as `torch.FloatStorage`.
        function: called in its place; None for a type that must not be called.
    """

    def __init__(self, name: str, function: Callable[..., Any] | None) -> None:
        self.name, self.function = name, function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function in its place."""
        if self.function is None:
            raise PickleError(f"calls {self.name[:80]}, which builds no tensor (nothing was run)")
        return self.function(*arguments)


class PickledDict(dict[Any, Any]):
    """A dictionary in the file. Its keys are checked before they are hashed, which takes forever for nested tuples."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | int):
            raise PickleError(f"has a {type(key).__name__} as a key; expected a text or a number")
        super().__setitem__(key, value)


class _Operations(dict[int, Callable[[Any], None]]):
    def __missing__(self, code: int) -> Callable[[Any], None]:
        operation = pickletools.code2op.get(chr(code))  # type: ignore[attr-defined]
        name = operation.name if operation else code
        raise PickleError(f"holds the pickle operation {name}, which no file of tensors has (nothing was run)")


class _Unpickler(_PythonUnpickler):
    """Arguments as for `read_pickle`."""

    def __init__(
        self,
        data: bytes,
        functions: dict[str, Callable[..., Any]],
        types: frozenset[str],
        load_persistent: Callable[[Any], Any],
    ) -> None:
        super().__init__(io.BytesIO(data), encoding="latin-1")
        self.functions, self.types, self.persistent_load = functions, types, load_persistent

    def find_class(self, module: str, name: str) -> Global:
        name = f"{module}.{name}"
        if name not in self.functions and name not in self.types:
            raise PickleError(f"asks for {name[:80]} when it is opened, which could be harmful code (nothing was run)")
        return Global(name, self.functions.get(name))

    def load_empty_dict(self) -> None:
        self.append(PickledDict())

    def load_build(self) -> None:
        """Drop the attributes of a dictionary, such as the `_metadata` of a state_dict; nothing else has any."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict):
            raise PickleError(f"is damaged: it has a {type(self.stack[-1]).__name__} where a dict belongs")

    dispatch = _Operations()
    for _name in _OPERATIONS.split():
        dispatch[getattr(pickle, _name)[0]] = _PythonUnpickler.dispatch[getattr(pickle, _name)[0]]
    dispatch[pickle.EMPTY_DICT[0]], dispatch[pickle.BUILD[0]] = load_empty_dict, load_build


def read_pickle(
    data: bytes,
    functions: dict[str, Callable[..., Any]],
    types: frozenset[str],
    load_persistent: Callable[[Any], Any],
) -> Any:
    """Build the object that a pickle describes.

    Args:
        data: the pickle; bytes after its end are ignored.
        functions: names of functions that the file may call, and the functions that are called in their place.
        types: names that the file may refer to without calling them.
        load_persistent: called with each persistent id, and returns its object.

    Raises:
        PickleError: the pickle is damaged, too large, or asks for something else.
    """
    if len(data) > MAX_BYTES:
        raise PickleError(f"describes its tensors in {len(data)} bytes; expected at most {MAX_BYTES}")
    try:
        return _Unpickler(data, functions, types, load_persistent).load()
    except PickleError:
        raise
    except Exception as error:  # damaged data fails in many ways: values missing on the stack, texts cut off ...
        raise PickleError("is damaged: its description of tensors makes no sense") from error
