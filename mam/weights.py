"""What can be downloaded, from where, and how to know that it is whole: `python -m mam weights`.

Files live in `$MAM_HOME`, or in the user's cache folder. `MAM_OFFLINE=1` forbids every download, `MAM_MIRROR=http://...` fetches
them by name from there instead, and proxies come from the usual variables (`HTTPS_PROXY`, ...). Files on the Hugging Face hub
also heed its own: `HF_ENDPOINT`, `HF_TOKEN` (or `hf auth login`), `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mam import contract
from mam.errors import WeightsError

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and those expected (0 if nobody knows)."""

_TRIES = 5
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One file that can be had.

    Attributes:
        name: of the file, here and in the cache.
        what: it is. licence: of the weights.
        address: https://..., or hf://[spaces/]OWNER/REPO/PATH on the Hugging Face hub; empty if only a person can fetch it.
        size: in bytes; 0 if it was not published. sha256: hexadecimal; empty if it was not published.
        by_hand: for a person, where to go and what to take.
    """

    name: str
    what: str
    licence: str
    address: str = ""
    size: int = 0
    sha256: str = ""
    by_hand: str = ""


_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_M2M = "MIT; trained on data that is partly research-only"
_DRIVE = "https://drive.google.com/drive/folders/1Bor2jRE0U-U6PIYaCm6SZY7qu_c1GYfq"

WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "sam_vit_b_01ec64.pth",
            "SAM ViT-B, Meta",
            "Apache-2.0",
            _META + "sam_vit_b_01ec64.pth",
            375042383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        Weights(
            "sam_vit_l_0b3195.pth",
            "SAM ViT-L, Meta",
            "Apache-2.0",
            _META + "sam_vit_l_0b3195.pth",
            1249524607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        Weights(
            "sam_vit_h_4b8939.pth",
            "SAM ViT-H, Meta",
            "Apache-2.0",
            _META + "sam_vit_h_4b8939.pth",
            2564550879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        Weights(
            "mam_sam_vitb.pth",
            "the authors' SAM ViT-B and Mask-to-Matte in one file (v1)",
            _M2M,
            "hf://spaces/shi-labs/Matting-Anything/checkpoints/mam_sam_vitb.pth",
            0,
            "b7d0781aa6edeab7b0d8195edf5b894402f9fa5b7220759825ff750c75450f08",
        ),
        Weights(
            "mam.pth",
            "Mask-to-Matte alone, cut out of the authors' v1 file",
            "see the repository; " + _M2M,
            "hf://conrevo/Segment-Anything-A1111/mam.pth",
            11007593,
            "23e9190ea994c18863e54d0185101870c4800aa43bf1029623015de7e659a8ef",
        ),
        *(
            Weights(
                f"mam_vit{size}.pth",
                f"the authors' Mask-to-Matte for SAM ViT-{size.upper()} (v2)",
                _M2M,
                by_hand=f"open {_DRIVE} in a browser, download mam_vit{size}.pth",
            )
            for size in "blh"
        ),
        Weights(
            "grounding-dino-tiny.safetensors",
            "Grounding DINO tiny, words to boxes",
            "Apache-2.0",
            "hf://IDEA-Research/grounding-dino-tiny/model.safetensors",
            0,
            "fe2fba3f72cadb5ac8ac75f0af84fce9baf6cb427a57ca2e08d7a2a3eda5a36d",
        ),
        Weights(
            "grounding-dino-base.safetensors",
            "Grounding DINO base, words to boxes",
            "Apache-2.0",
            "hf://IDEA-Research/grounding-dino-base/model.safetensors",
            0,
            "5548f844c928c4b6f411fa8cbcc2bfa8dbbba437cb1d513975519f93c2a9ed21",
        ),
        *(
            Weights(
                f"grounding-dino-{size}.{file}",
                f"Grounding DINO {size}, its {what}",
                "Apache-2.0",
                f"hf://IDEA-Research/grounding-dino-{size}/{file}",
            )
            for size in ("tiny", "base")
            for file, what in (("config.json", "sizes"), ("tokenizer.json", "tokenizer"))
        ),
    )
}


def home() -> Path:
    """The folder of downloaded files; it need not be there yet."""
    chosen = os.environ.get("MAM_HOME")
    return (
        Path(chosen).expanduser()
        if chosen
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mam"
    )


def exported_to(name: str) -> Path:
    """The folder of a model's graphs, once `python -m export prepare` or `grounding` has made them; it need not be there yet.

    Graphs of another contract are not looked at: a newer version of this library makes its own.
    """
    return home() / "graphs" / f"contract-{contract.VERSION}" / name


def find(name: str) -> Weights:
    """The entry of a file.

    Raises:
        WeightsError: there is none of this name.
    """
    if name not in WEIGHTS:
        raise WeightsError(f"no weights are called {name!r}; there are {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


def path(name: str) -> Path:
    """Where a file is, checked against its size and sha256 (once: the result is remembered beside it).

    Raises:
        WeightsError: it is not there, or not whole; the message says how to get it.
    """
    weights, file = find(name), home() / name
    if not file.exists():
        raise WeightsError(f"{name} is not in {home()}; {_how(weights)}.")
    _verify(weights, file)
    return file


def get(name: str, progress: Progress | None = None) -> Path:
    """The path of a file, downloaded first if it is not there.

    A download goes on where an earlier one stopped, is checked, and only then gets its name; of several processes that want
    the same file one downloads it and the others wait.

    Raises:
        WeightsError: offline, no answer after several tries, a full disk, another file than published, or one that only a
            person can fetch.
    """
    weights, file = find(name), home() / name
    if file.exists():
        return path(name)
    if not weights.address:
        raise WeightsError(f"{name} is not in {home()}; {_how(weights)}.")
    if os.environ.get("MAM_OFFLINE", "").lower() in ("1", "true", "yes"):
        raise WeightsError(f"{name} is not in {home()} and MAM_OFFLINE forbids downloads; put the file there yourself.")
    with locked(file):
        if not file.exists():  # another process may have been faster
            partial = file.with_name(f"{name}.partial")
            mirror = os.environ.get("MAM_MIRROR")
            if mirror:
                address, headers = f"{mirror.rstrip('/')}/{name}", {}
            elif weights.address.startswith("hf://"):
                address, headers = _on_hub(weights)
            else:
                address, headers = weights.address, {}
            _download(weights, address, headers, partial, progress)
            try:
                _verify(weights, partial)
            except WeightsError:
                partial.unlink()  # nothing that could be gone on with
                raise
            os.replace(partial, file)
            with contextlib.suppress(FileNotFoundError):  # then it is checked once more
                os.replace(_note(partial), _note(file))
    return path(name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time make a file or folder; the folder around it is made if missing.

    Raises:
        WeightsError: that cannot be written to.
    """
    from filelock import FileLock

    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"{path.parent} cannot be written to ({error}); set MAM_HOME to a folder that can."
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_by_hand(names: Sequence[str]) -> None:
    """Make sure that those of some files that only a person can fetch are there.

    Raises:
        WeightsError: one is not; the message says what to fetch and where to put it.
    """
    for name in names:
        if not find(name).address:
            path(name)


def _how(weights: Weights) -> str:
    if weights.address:
        return f"get it with `python -m mam weights get {weights.name}`"
    return f"{weights.by_hand} and put it into {home()}"


def _on_hub(weights: Weights) -> tuple[str, dict[str, str]]:
    """Where a file is on the Hugging Face hub, and the header that carries the user's login, if there is one.

    The hub's library knows both (`HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`). The bytes come by `_download` all the same: the
    library's own download begins anew after an interruption.

    Raises:
        WeightsError: HF_HUB_OFFLINE is set.
    """
    from huggingface_hub import constants, get_token, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(
            f"{weights.name} is not in {home()} and HF_HUB_OFFLINE forbids downloads; put the file there yourself."
        )
    kind, parts = None, weights.address.removeprefix("hf://").split("/")
    if parts[0] == "spaces":
        kind, parts = "space", parts[1:]
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return hf_hub_url("/".join(parts[:2]), "/".join(parts[2:]), repo_type=kind), headers


def _download(
    weights: Weights, address: str, headers: dict[str, str], partial: Path, progress: Progress | None
) -> None:
    """Fetch the rest of a file, however often the connection breaks."""
    import httpx

    problem: Exception | str = "nothing came"
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(min(8, 0.5 * 2**attempt))
        have = partial.stat().st_size if partial.exists() else 0
        try:
            asked = {**headers, "Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
            with httpx.stream("GET", address, headers=asked, follow_redirects=True, timeout=60) as answer:
                if answer.status_code == 416 and have:  # there is nothing beyond what we have: `_verify` will judge it
                    return
                if answer.status_code not in (200, 206):
                    told = answer.headers.get("X-Error-Message")  # the hub's reason, in a sentence
                    problem = f"the server said {answer.status_code} {answer.reason_phrase}" + (
                        f": {told}" if told else ""
                    )
                    if answer.status_code < 500 and answer.status_code not in (408, 429):
                        way_out = _way_out(weights, answer.status_code)
                        raise WeightsError(f"{weights.name} cannot be had from {address} ({problem}); {way_out}.")
                    continue
                if answer.status_code == 200:
                    have = 0  # the whole file, from its beginning
                expected = weights.size or have + int(answer.headers.get("Content-Length", 0))
                _check_room(partial.parent, expected - have)
                with open(partial, "ab" if have else "wb") as file:
                    for block in answer.iter_raw():  # as it comes: what a broken connection had brought counts
                        file.write(block)
                        have += len(block)
                        if progress is not None:
                            progress(have, expected)
                if not weights.size or have >= weights.size:
                    return
                problem = f"the connection closed after {have} of {weights.size} bytes"
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        except OSError as error:
            if error.errno == errno.ENOSPC:
                _check_room(partial.parent, None)
            raise WeightsError(f"{partial} cannot be written ({error}).") from error
    raise WeightsError(
        f"{weights.name} could not be downloaded from {address} ({problem}); what came is kept, so run the same again to go on."
    )


def _way_out(weights: Weights, status: int) -> str:
    """What a person can do about a server that refuses."""
    if weights.address.startswith("hf://") and status in (401, 403):
        return (
            "accept the conditions on the repository's page, if it has any, and log in with `hf auth login` or HF_TOKEN"
        )
    return f"get the file elsewhere and put it into {home()}"


def _check_room(folder: Path, needed: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if needed is None or needed > free:
        wanted = "" if needed is None else f" {needed / 1e6:.0f} MB are needed,"
        raise WeightsError(
            f"the disk of {folder} is full:{wanted} {free / 1e6:.0f} MB are free; make room, or set MAM_HOME."
        )


def _verify(weights: Weights, file: Path) -> None:
    """Check size and sha256, and remember that it was done.

    Raises:
        WeightsError: it is another file.
    """
    stat = file.stat()
    state = {"size": stat.st_size, "time": stat.st_mtime_ns, "sha256": weights.sha256}
    note = _note(file)
    try:
        if json.loads(note.read_text()) == state:
            return
    except (OSError, ValueError):
        pass
    if weights.size and stat.st_size != weights.size:
        raise WeightsError(f"{file} has {stat.st_size} bytes, expected {weights.size}; delete it and get it again.")
    if weights.sha256:
        digest = hashlib.sha256()
        with open(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != weights.sha256:
            raise WeightsError(
                f"{file} has the sha256 {digest.hexdigest()}, expected {weights.sha256}: it is damaged or another file; "
                "delete it and get it again."
            )
    with contextlib.suppress(OSError):  # a folder that cannot be written to can be used, if more slowly
        note.write_text(json.dumps(state))


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}.checked")
