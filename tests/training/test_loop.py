"""The training loop: the learning rate, the order of the examples, and resuming."""

import pytest

from mam.training.loop import Strided, schedule


def test_schedule() -> None:
    assert schedule(0, 100, 10) == pytest.approx(0.1) and schedule(10, 100, 10) == pytest.approx(1)
    assert schedule(99, 100, 10) < 0.02


def test_processes_read_each_example_once_and_a_resumed_run_continues() -> None:
    first, second = (list(Strided(0, 3, 2, rank, 2)) for rank in (0, 1))
    assert first == [0, 1, 4, 5, 8, 9] and second == [2, 3, 6, 7, 10, 11]
    assert list(Strided(2, 3, 2, 0, 2)) == first[4:]
