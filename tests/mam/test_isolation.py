"""A child process that crashes, fails to start, prints, and ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mam import GraphError
from mam.isolation import Isolated
from tests.conftest import ROOT


def load():
    return work


def work(row):
    if row.get("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    print("a library prints this")
    return {**row, "pid": os.getpid()}


def refuse():
    raise GraphError("no graphs here")


def note_death(row):
    return {**row, "died": True}


def test_a_crash_costs_its_own_row() -> None:
    call = Isolated(load, note_death)
    first, again = call({"n": 1}), call({"n": 2})
    assert first["n"] == 1 and first["pid"] == again["pid"] != os.getpid()
    assert call({"n": 3, "crash": True}) == {"n": 3, "crash": True, "died": True}
    assert call({"n": 4})["pid"] != first["pid"]


def test_an_error_while_loading_is_raised_in_the_parent() -> None:
    with pytest.raises(GraphError, match="no graphs here"):
        Isolated(refuse, note_death)


PARENT = """
import os, signal
from mam.isolation import Isolated
from tests.mam.test_isolation import load, note_death
print(Isolated(load, note_death)({})["pid"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the process in /proc")
def test_the_child_ends_with_a_killed_parent() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], cwd=ROOT, capture_output=True, text=True)
    child = Path("/proc") / done.stdout.split()[-1]
    end = time.monotonic() + 20
    while child.exists() and "State:\tZ" not in (child / "status").read_text():
        assert time.monotonic() < end, "the child is still there"
        time.sleep(0.1)
