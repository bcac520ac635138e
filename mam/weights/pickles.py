"""A restricted unpickler: it builds tensors and containers only, and never calls code that a file names.

Python's unpickler calls whatever a file names, and even a subclass of it can be made to allocate any amount of memory.
This one knows the operations that `torch.save` writes, and refuses all others.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

MAX_BYTES = 4_000_000
"""Of a pickle; that of SAM ViT-H, without its numbers, has 0.1 MB."""

_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS_AND_TEXTS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"} | {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "SHORT_BINSTRING",
    "BINSTRING",
}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME", "STOP"}


class PickleError(Exception):
    """A pickle that is damaged, or asks for more than tensors and containers; the message is a clause."""


class Global:
    """What a file refers to by its module and name; it is never imported.

    Args:
        name: such as `torch.FloatStorage`.
    """

    def __init__(self, name: str) -> None:
        self.name = name


class _Mark:
    """Separates the items of a container on the stack."""


def read_pickle(
    data: bytes,
    functions: dict[str, Callable[..., Any]],
    types: frozenset[str],
    load_persistent: Callable[[Any], Any],
) -> Any:
    """Build the object that a pickle describes.

    Args:
        data: the pickle; bytes after its end are ignored.
        functions: what is computed instead of the functions that the file calls, by their names.
        types: names that the file may refer to without calling them.
        load_persistent: called with each persistent id, and returns its object.

    Raises:
        PickleError: the pickle is damaged, too large, or asks for something else.
    """
    if len(data) > MAX_BYTES:
        raise PickleError(f"describes its tensors in {len(data)} bytes; expected at most {MAX_BYTES}")
    unpickler = _Unpickler(functions, types, load_persistent)
    try:
        for operation, argument, _ in pickletools.genops(data):  # which ends with STOP
            unpickler.run(operation.name, argument)
        (result,) = unpickler.stack
    except PickleError:
        raise
    except Exception as error:  # damaged data fails in many ways: values missing on the stack, texts cut off ...
        raise PickleError("is damaged: its description of tensors makes no sense") from error
    return result


class _Unpickler:
    """The stack and the memo of a pickle; arguments as for `read_pickle`."""

    def __init__(
        self,
        functions: dict[str, Callable[..., Any]],
        types: frozenset[str],
        load_persistent: Callable[[Any], Any],
    ) -> None:
        self.functions, self.types, self.load_persistent = functions, types, load_persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, operation: str, argument: Any) -> None:
        """Run one operation; exceptions of any type stand for damage."""
        stack = self.stack
        if operation in _CONSTANTS:
            stack.append(_CONSTANTS[operation])
        elif operation in _NUMBERS_AND_TEXTS:
            stack.append(argument)
        elif operation in _EMPTY:
            stack.append(_EMPTY[operation]())
        elif operation in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif operation == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif operation == "MARK":
            stack.append(_Mark)
        elif operation == "TUPLE":
            stack.append(tuple(self._pop_to_mark()))
        elif operation in _TUPLES:
            stack.append(tuple([self._pop() for _ in range(_TUPLES[operation])][::-1]))
        elif operation in ("APPEND", "APPENDS"):
            items = self._pop_to_mark() if operation == "APPENDS" else [self._pop()]
            _expect(stack[-1], list).extend(items)
        elif operation in ("SETITEM", "SETITEMS"):
            items = self._pop_to_mark() if operation == "SETITEMS" else [self._pop(), self._pop()][::-1]
            self._set_items(items)
        elif operation in ("GLOBAL", "STACK_GLOBAL"):
            self._push_global(argument if operation == "GLOBAL" else " ".join([self._pop(), self._pop()][::-1]))
        elif operation == "REDUCE":
            arguments, function = _expect(self._pop(), tuple), _expect(self._pop(), Global)
            if function.name not in self.functions:
                raise PickleError(f"calls {function.name[:80]}, which builds no tensor (nothing was run)")
            stack.append(self.functions[function.name](*arguments))
        elif operation == "BUILD":
            self._pop()  # attributes of a container, such as the `_metadata` of a state_dict
            _expect(stack[-1], dict)
        elif operation == "BINPERSID":
            stack.append(self.load_persistent(self._pop()))
        elif operation not in _IGNORED:
            raise PickleError(f"holds the pickle operation {operation}, which no file of tensors has (nothing was run)")

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _Mark:
            raise PickleError("is damaged: its description of tensors makes no sense")
        return value

    def _pop_to_mark(self) -> list[Any]:
        items = []
        while (value := self.stack.pop()) is not _Mark:
            items.append(value)
        return items[::-1]

    def _set_items(self, items: list[Any]) -> None:
        target = _expect(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashing nested tuples could take forever.
            if not isinstance(key, str | int):
                raise PickleError(f"has a {type(key).__name__} as a key; expected a text or a number")
            target[key] = value

    def _push_global(self, argument: str) -> None:
        name = ".".join(argument.split(" ", 1))
        if name not in self.functions and name not in self.types:
            raise PickleError(f"asks for {name[:80]} when it is opened, which could be harmful code (nothing was run)")
        self.stack.append(Global(name))


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise PickleError(f"is damaged: it has a {type(value).__name__} where a {kind.__name__} belongs")
    return value
