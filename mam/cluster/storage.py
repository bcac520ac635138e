"""Files at addresses of object stores, through `pyarrow.fs`, which Ray brings; plain paths stay paths."""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mam.errors import InputError, MamError
from mam.images.decode import SUFFIXES
from mam.images.encode import read_source, write_content
from mam.images.fetch import MAX_BYTES, is_address

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_ATOMIC = ("s3", "gcs", "abfs")  # types of stores that show a file when it is complete


def is_stored(address: str) -> bool:
    """Whether a string is an address of a store, such as s3://bucket/key: neither a path nor http(s) nor data."""
    return re.match(r"[a-z][a-z0-9+.-]+://", address) is not None and not is_address(address)


def resolve(source: Any) -> Any:
    """Return what `mam.images` can open: the content of a file in a store, anything else unchanged.

    Raises:
        InputError: the file has more than 100 MB.
        FileNotFoundError, OSError: it cannot be read.
    """
    if not isinstance(source, str) or not is_stored(source):
        return source
    system, path = _locate(source)
    info = system.get_file_info(path)
    if not info.is_file:
        raise FileNotFoundError(f"{source} is not a file, or does not exist.")
    if info.size > MAX_BYTES:
        raise InputError(f"{source} holds more than {MAX_BYTES / 1e6:.0f} MB.")
    with system.open_input_stream(path) as stream:
        content: bytes = stream.read()
    return content


def exists(address: str) -> bool:
    """Whether there is a file at a path or address.

    Raises:
        OSError: the store does not answer.
    """
    if not is_stored(address):
        return Path(address).exists()
    system, path = _locate(address)
    return bool(system.get_file_info(path).is_file)


def write(content: bytes, address: str) -> None:
    """Write a file that is complete or not there; folders are created.

    Raises:
        MamError, OSError: it cannot be written.
    """
    if is_address(address):
        raise InputError(f"{address} cannot be written to; expected a path or an address of an object store.")
    if not is_stored(address):
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        write_content(content, Path(address))
        return
    system, path = _locate(address)
    if system.type_name in _ATOMIC:
        with system.open_output_stream(path) as stream:
            stream.write(content)
        return
    folder = path.rpartition("/")[0]
    system.create_dir(folder, recursive=True)
    partial = f"{folder}/.{secrets.token_hex(8)}.partial"
    try:
        with system.open_output_stream(partial) as stream:
            stream.write(content)
        system.move(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            system.delete_file(partial)
        raise


def read_sources(folder: str, suffix: str) -> dict[str, str]:
    """Return the names of the files in a folder that end in a suffix, each with the photo that is recorded in it.

    Raises:
        MamError: the store cannot be read.
    """
    from pyarrow.fs import FileSelector

    system, path = _locate(folder)

    def read(name: str) -> str:
        with system.open_input_file(f"{path}/{name}") as stream:
            return read_source(stream)

    try:
        listed = system.get_file_info(FileSelector(path, allow_not_found=True))
        names = [info.base_name for info in listed if info.is_file and info.base_name.endswith(suffix)]
        with ThreadPoolExecutor(32) as threads:
            return dict(zip(names, threads.map(read, names), strict=True))
    except OSError as error:
        raise MamError(f"{folder} cannot be read ({error}).") from error


def list_images(pattern: str) -> list[str]:
    """List the images at an address of a store: a file, the images in a folder, or all that match a glob.

    Args:
        pattern: `*` and `?` match within a name, `**/` any folders.

    Returns:
        Addresses, sorted.

    Raises:
        MamError: the store cannot be read.
        FileNotFoundError: there are none.
    """
    from pyarrow.fs import FileSelector

    system, path = _locate(pattern)
    with contextlib.suppress(OSError):  # a key may hold what is a wildcard elsewhere
        if system.get_file_info(path).is_file:
            return [pattern]
    wild = re.search(r"[*?]", path)
    folder = path if wild is None else path[: wild.start()].rpartition("/")[0]
    deep = wild is not None and "/" in path[wild.start() :]
    try:
        listed = system.get_file_info(FileSelector(folder, recursive=deep))
    except OSError as error:
        raise MamError(f"{pattern} cannot be read ({error}).") from error
    accepts = re.compile(".*" if wild is None else _to_regex(path), re.DOTALL)
    key = pattern.partition("://")[2].partition("/")[2]  # both an address and a path in its store end in this
    found = [
        pattern.removesuffix(key) + info.path.removeprefix(path.removesuffix(key))
        for info in listed
        if info.is_file and Path(info.path).suffix.lower() in SUFFIXES and accepts.fullmatch(info.path)
    ]
    if not found:
        raise FileNotFoundError(f"{pattern} matches no image; expected a file, a folder or a glob.")
    return sorted(found)


def _to_regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*|\?)", pattern))


def _locate(address: str) -> tuple[FileSystem, str]:
    """Return the store of an address and the path in it.

    Raises:
        MamError: the store cannot be reached, or its kind is unknown.
    """
    scheme, _, rest = address.partition("://")
    host, _, key = rest.partition("/")
    system, root = _open_store(f"{scheme}://{host}/")
    return system, f"{root.rstrip('/')}/{key}"


@functools.lru_cache(16)
def _open_store(root: str) -> tuple[FileSystem, str]:
    # Only the root is parsed as a URI: keys may hold spaces and other characters that a URI may not.
    try:
        from pyarrow.fs import FileSystem

        system, path = FileSystem.from_uri(root)
    except ImportError as error:
        raise MamError(f'{root} needs pyarrow ({error}); install it with: pip install "ray[data]"') from error
    except (OSError, ValueError) as error:
        raise MamError(f"{root} cannot be opened ({error}).") from error
    return system, str(path)
