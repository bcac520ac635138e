"""The check before a model takes over: better models pass it, wrong and slow ones do not."""

import json

import numpy as np
import pytest
from PIL import Image

from mam import Matting, proof
from mam.cli import main
from mam.images.boxes import full_box
from mam.model import contract
from mam.model.folders import BUNDLE
from mam.model.frames import Frame
from mam.model.runtime import load_graphs
from tests.mock_graphs import SIDE, MockGraphs


class Truth(MockGraphs):
    """Knows the pictures and answers nearly the truth."""

    variant, policy = "truth", contract.InferencePolicy()

    def __init__(self, folder) -> None:
        super().__init__()
        self.folder, self.seen = folder, []
        for picture in proof.load_pictures():
            Matting(self).open(picture.pixels)  # `encode` records how each looks to a model

    def encode(self, image):
        thumbnail = image[0, :, ::32, ::32]
        if len(self.seen) < len(proof.load_pictures()):
            self.seen.append(thumbnail)
        closest = np.argmin([np.abs(thumbnail - one).mean() for one in self.seen])
        return {"image_embeddings": np.full((1, 256, 64, 64), closest, np.float32)}

    def decode(self, features, coords, labels, mask_input, has_mask):
        alpha = proof.load_pictures()[int(features.flat[0])].alpha
        h, w = map(int, Frame.of(full_box(alpha.shape)).mask_size)
        logits = np.full((len(coords), 4, SIDE, SIDE), -8, np.float32)
        logits[..., :h, :w] = 16 * np.asarray(Image.fromarray(alpha).resize((w, h), Image.BILINEAR)) - 8
        return logits, np.full((len(coords), 4), 0.95, np.float32)


class Wrong:
    """`tiny` with a fault, and the mask in place of its matte, which is faster."""

    folder = proof.FOLDER / "nowhere"

    def __init__(self, fault: str = "") -> None:
        self.tiny, self.fault, self.provider, self.note = load_graphs(BUNDLE, "cpu", 1), fault, "CPU", ""
        self.variant, self.policy = fault or "tiny", self.tiny.policy

    def run(self, graph, values):
        if graph == contract.MATTE:
            return MockGraphs().run(graph, {"image_embeddings": None, **values})
        if graph == contract.IMAGE_ENCODER:
            image = values["image"]
            images = {
                "swapped channels": image[:, ::-1],
                "wrong padding": np.roll(image, (90, 90), (2, 3)),
                "wrong mean": image + np.float32(2),
            }
            values = {"image": np.ascontiguousarray(images.get(self.fault, image))}
        found = self.tiny.run(graph, values)
        if graph == contract.MASK_DECODER and self.fault == "broken decoder":
            found["low_res_masks"] = found["low_res_masks"].transpose(0, 1, 3, 2)
        return found


@pytest.fixture(scope="module")
def tiny() -> list[proof.Measured]:
    return [proof._measure(Matting(Wrong()), picture) for picture in proof.load_pictures()]


@pytest.fixture()
def patient(monkeypatch) -> None:
    """Any time is accepted: the tests' machine is busy."""
    monkeypatch.setattr(proof, "MOST_SECONDS", 1e9)


def test_the_proof_set_is_small_and_its_pictures_have_masks_and_alphas() -> None:
    assert sum(file.stat().st_size for file in proof.FOLDER.iterdir()) < 400_000
    pictures = proof.load_pictures()
    soft = [not np.array_equal(picture.alpha, picture.mask) for picture in pictures]
    assert len(pictures) == 10 and sum(soft) == 2
    for picture in pictures:
        x, y = picture.click
        assert picture.mask.shape == picture.pixels.shape[:2] and picture.mask[y, x]
        assert 0.03 < picture.mask.mean() < 0.6


@pytest.mark.slow
def test_a_model_near_the_truth_takes_over(tiny, patient, tmp_path) -> None:
    truth = Matting(Truth(tmp_path))
    outcome = proof.prove(truth, Matting(MockGraphs()))  # stands for `tiny`, and is worse
    assert outcome.better and outcome.measured["iou_click"] > 0.95 and outcome.tiny["iou_click"] < 0.5
    ours = [proof._measure(truth, picture) for picture in proof.load_pictures()]
    better, reason = proof.judge(ours, [{**one, "alpha_error": 1} for one in tiny])
    assert better and "better by at least" in reason
    stored = proof.read_proof(tmp_path)
    assert stored == outcome and proof.read_proof(tmp_path, "CUDA") is None
    (tmp_path / contract.MATTE.file).write_bytes(b"another file")
    assert proof.read_proof(tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["swapped channels", "wrong padding", "wrong mean", "broken decoder", ""])
def test_a_wrong_model_does_not_take_over_nor_does_an_equal_one(tiny, patient, fault) -> None:
    ours = [proof._measure(Matting(Wrong(fault)), picture) for picture in proof.load_pictures()]
    better, reason = proof.judge(ours, tiny)
    assert not better and ", tiny's 0.96" in reason


def test_a_model_that_fails_does_not_take_over(tmp_path) -> None:
    class Failing(MockGraphs):
        calls = 0

        def decode(self, *values):
            self.calls += 1
            if self.calls > 4:  # the first picture succeeds
                raise RuntimeError("broken")
            return super().decode(*values)

    failing = Failing()
    failing.folder = tmp_path
    outcome = proof.prove(Matting(failing), Matting(MockGraphs()))
    assert not outcome.better and outcome.reason == "it failed (RuntimeError: broken)"
    assert outcome.measured == outcome.tiny == {} and not (tmp_path / "proof.json").exists()  # it is tried again


def test_a_mask_without_errors_gets_no_second_click() -> None:
    picture = proof.load_pictures()[0]
    assert proof._correct(picture, picture.mask) == ([picture.click], [1])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "better by at least 0.0"),
        ({"seconds_open": 4.0, "seconds_box": 2.0}, "takes 6.0 s"),
        ({"alpha_error": 0.02}, "error of the alphas 0.0200"),
    ],
)
def test_the_reason_is_stated(change, expected) -> None:
    ordinary = {"iou_click": 0.9, "iou_corrected": 0.9, "seconds_open": 0.1, "seconds_box": 0.2, "alpha_error": 0.01}
    tiny = [{**ordinary, "iou_box": 0.9} for _ in range(10)]
    ours = [{**ordinary, "iou_box": 0.95 + 0.005 * (i % 3), **change} for i in range(10)]
    better, reason = proof.judge(ours, tiny)
    assert expected in reason and better == (not change)
    noise = [{**ordinary, "iou_box": 0.92 if i else 0.7} for i in range(10)]
    better, reason = proof.judge([*noise[::-1], {**noise[1], "iou_box": 1.0}], [*tiny, tiny[0]])
    assert not better and "that may be chance" in reason


@pytest.mark.slow
def test_the_command_checks_a_model_and_lists_the_outcome(monkeypatch, tmp_path, capsys) -> None:
    loaded = {None: Matting(MockGraphs()), "some": Matting(Truth(tmp_path))}
    monkeypatch.setattr(Matting, "load", lambda graphs, **options: loaded[graphs])
    assert main(["models", "check", "some"]) == 0
    printed = capsys.readouterr().out
    assert "truth is better than tiny: mean IoU" in printed and str(tmp_path / "proof.json") in printed
    assert json.loads((tmp_path / "proof.json").read_text())["versions"]["mam"]
    monkeypatch.setattr("mam.cli.doctor.load_model", lambda arguments: loaded["some"])
    assert main(["doctor"]) == 0 and "truth was checked: better than tiny" in capsys.readouterr().out
    assert main(["models"]) == 0
    assert "mobile_sam           to get   41 MB; any part" in capsys.readouterr().out
    assert main(["models", "check"]) == main(["models", "check", "tiny"]) == 1
