"""A run's compressed weights: two small files that another run starts from."""

import pytest
import torch

from mam.errors import WeightsError
from mam.training import run_tiny
from mam.training.interactive import Segmenter

LIMIT = 10 * 2**20  # bytes of a file that is committed


def test_a_run_starts_from_the_averaged_weights_of_another(data, tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for more in (["--out", first, "--steps", 1], ["--out", second, "--steps", 2, "--start", first / "start"]):
        run_tiny.main(["--data", str(data), *map(str, more)], run_tiny.Settings(side=64, batch=2))
    assert torch.load(second / "state.pt", weights_only=True)["step"] == 2
    average = torch.load(first / "state.pt", weights_only=True)["average"]
    for name in ("image_encoder", "mask_decoder"):
        file = first / "start" / f"{name}.pt"
        assert file.stat().st_size < LIMIT
        state = torch.load(file, weights_only=True)
        assert state.keys() == {"average", "step"} and state["step"] == 1
        assert {f"{name}.{key}" for key in state["average"]} == {key for key in average if key.startswith(name)}
        for key, value in state["average"].items():
            assert value.dtype != torch.float32
            assert torch.equal(value, average[f"{name}.{key}"].to(value.dtype))


def test_files_of_different_steps_are_refused(tmp_path) -> None:
    net = Segmenter()
    run_tiny.save_start(net, 1, tmp_path / "a")
    run_tiny.save_start(net, 2, tmp_path / "b")
    (tmp_path / "a" / "mask_decoder.pt").replace(tmp_path / "b" / "mask_decoder.pt")
    with pytest.raises(WeightsError, match="different steps"):
        run_tiny.load_start(net, tmp_path / "b")
