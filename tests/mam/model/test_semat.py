"""What SEMat gets of a crop and its trimap; `tests/export/test_semat_template.py` runs a small one."""

from pathlib import Path

import numpy as np
import pytest

from mam import Matting, WeightsError
from mam.model import semat
from mam.model.semat import FILE, Semat


def test_it_gets_an_image_with_black_padding_and_the_bounds_of_the_trimap(monkeypatch) -> None:
    given = {}

    def run_session(session, values, file) -> list[np.ndarray]:
        given.update(values)
        return [np.full((1, 1, 1024, 1024), 1.00001, np.float32)]

    monkeypatch.setattr(semat, "run_session", run_session)
    network = Semat(Path(FILE), "", "", None)
    trimap = np.zeros((1024, 683), np.uint8)
    trimap[100:200, 50:60], trimap[150, 55] = 128, 255
    alpha = network.run(np.full((300, 200, 3), 255, np.uint8), trimap)
    assert alpha.shape == trimap.shape and (alpha == 1).all()
    assert given["box"].tolist() == [[50, 100, 59, 199]]  # of the outermost pixels
    for columns, value in ((slice(683), 1), (slice(683, None), 0)):
        normalised = (value - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
        assert np.allclose(given["image"][0, :, :, columns], normalised[:, None, None], atol=1e-5)
    assert network.run(np.zeros((300, 200, 3), np.uint8), np.zeros_like(trimap)) is None


def test_it_is_never_downloaded(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{FILE} is not in .*; open https://github.com/XiaRho/SEMat in a browser"):
        Matting.load(device="cpu", matte="semat")
    (tmp_path / FILE).write_bytes(b"<html>Google Drive - Virus scan warning</html>")
    with pytest.raises(WeightsError, match="is a web page"):
        Matting.load(device="cpu", matte="semat")
