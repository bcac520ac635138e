"""A GPU that is attached for each call, with a stand-in for the `spaces` package."""

import sys
import types
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from demo import app
from demo.zero_gpu import ZeroGpuGraphs, load_cached_graphs
from mam import Matting
from mam.model.folders import BUNDLE
from tests.conftest import EXAMPLES


class Lender:
    """Stands for `spaces`: remembers how many sets of graphs were loaded before and after each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def GPU(self, duration: int) -> Callable:
        def decorate(function: Callable) -> Callable:
            def lent(*values):
                before = load_cached_graphs.cache_info().currsize
                answer = function(*values)
                self.calls.append((before, load_cached_graphs.cache_info().currsize))
                return answer

            return lent

        return decorate


@pytest.fixture()
def lender(monkeypatch) -> Iterator[Lender]:
    lender = Lender()
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=lender.GPU))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    load_cached_graphs.cache_clear()
    yield lender
    load_cached_graphs.cache_clear()


@pytest.mark.slow
def test_sessions_are_made_where_the_gpu_is(lender, flower) -> None:
    matting = Matting(ZeroGpuGraphs(BUNDLE, device="cpu"))
    assert matting.graphs.provider == "CUDAExecutionProvider" and lender.calls == []
    matte = matting.open(EXAMPLES / "flower.jpg").matte(box=(178, 82, 450, 360))
    assert lender.calls[0] == (0, 1) and set(lender.calls[1:]) == {(1, 1)}  # made by the first call, then kept
    assert np.array_equal(matte.alpha, flower.matte(box=(178, 82, 450, 360)).alpha)


def test_the_page_uses_the_gpu_of_a_zero_gpu_space(lender) -> None:
    matting, _ = app.load(app.parse(["--device", "cuda"]))
    assert isinstance(matting.graphs, ZeroGpuGraphs) and matting.graphs.folder == BUNDLE and lender.calls == []
