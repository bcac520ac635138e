"""rembg's Python interface: the kinds of images, the flags, the prompts, the names of models."""

import inspect
import io

import numpy as np
import pytest
from PIL import Image

from mam import Matting, PromptError
from mam.compat.rembg import MODELS, REFUSED, Session, new_session, remove
from tests.colour_profiles import adobe_rgb
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs
from tests.pictures import encode

SIZE = (64, 48)
RED = (200, 40, 40)
BOX = [{"type": "rectangle", "data": [8, 8, 40, 32]}]


@pytest.fixture(scope="module")
def session() -> Session:
    return Session("mock", Matting(MockGraphs()))


def test_the_signature_is_rembgs() -> None:
    names = """data alpha_matting alpha_matting_foreground_threshold alpha_matting_background_threshold
    alpha_matting_erode_size session only_mask post_process_mask decontaminate vitmatte vitmatte_model bgcolor
    force_return_bytes args kwargs"""
    parameters = inspect.signature(remove).parameters
    assert list(parameters) == names.split()
    defaults = [False, 240, 10, 10, None, *[False] * 4, None, None, False]
    assert [one.default for one in parameters.values() if one.default is not inspect.Parameter.empty] == defaults


def test_the_kind_that_comes_in_goes_out(session) -> None:
    image = Image.new("RGB", SIZE, RED)
    array = remove(np.asarray(image), session=session, sam_prompt=BOX)
    assert array.shape == (48, 64, 4) and array.dtype == np.uint8
    assert tuple(array[20, 20]) == (*RED, 255) and array[2, 2, 3] == 0
    from_bytes = Image.open(io.BytesIO(remove(encode(image), session=session, sam_prompt=BOX)))
    pil = remove(image, session=session, sam_prompt=BOX)
    forced = Image.open(io.BytesIO(remove(image, session=session, sam_prompt=BOX, force_return_bytes=True)))
    for result in (from_bytes, pil, forced):
        assert result.mode == "RGBA" and np.array_equal(np.asarray(result), array)
    with pytest.raises(ValueError, match="is not supported"):
        remove("a.png", session=session)


def test_the_image_is_turned_upright_and_keeps_its_profile(session) -> None:
    image, exif = Image.new("RGB", SIZE, RED), Image.Exif()
    exif[274] = 6
    assert remove(Image.open(io.BytesIO(encode(image, exif=exif))), session=session).size == (48, 64)
    profile = adobe_rgb()
    result = Image.open(io.BytesIO(remove(encode(image, icc_profile=profile), session=session)))
    assert result.info["icc_profile"] == profile


def test_flags(session) -> None:
    image = Image.new("RGB", SIZE, RED)
    mask = remove(image, session=session, sam_prompt=BOX, only_mask=True)
    assert mask.mode == "L" and mask.getpixel((20, 20)) == 255 and mask.getpixel((2, 2)) == 0
    hard = remove(np.asarray(image), session=session, sam_prompt=BOX, only_mask=True, post_process_mask=True)
    assert set(np.unique(hard)) == {0, 255}
    over = remove(image, session=session, sam_prompt=BOX, bgcolor=(0, 0, 255, 128))
    assert over.getpixel((2, 2)) == (0, 0, 255, 128) and over.getpixel((20, 20)) == (*RED, 255)
    ignored = remove(image, alpha_matting=True, only_mask=True, session=session, sam_prompt=BOX)
    assert ignored.tobytes() == mask.tobytes()


@pytest.mark.slow
def test_putalpha_keeps_the_colours(matting) -> None:
    photo, session = np.asarray(Image.open(EXAMPLES / "flower.jpg")), Session("tiny", matting)
    kept, cleaned = (remove(photo, session=session, putalpha=flag, decontaminate=True) for flag in (True, False))
    assert np.array_equal(kept[..., :3], photo) and np.array_equal(kept[..., 3], cleaned[..., 3])
    assert not np.array_equal(cleaned[cleaned[..., 3] > 0][:, :3], photo[cleaned[..., 3] > 0])


def test_prompts(session) -> None:
    image = Image.new("RGB", SIZE, RED)
    points = [{"type": "point", "label": 1, "data": [50, 40]}, {"type": "point", "label": 0, "data": [5, 5]}]
    mask = remove(image, session=session, sam_prompt=points, only_mask=True)
    assert mask.getpixel((50, 40)) == 255 and mask.getpixel((5, 5)) == 0
    assert session.predict(image, sam_prompt=points)[0].tobytes() == mask.tobytes()
    for wrong in (BOX * 2, [{"type": "circle", "data": []}], [{"type": "point", "data": [1, 1]}], [3]):
        with pytest.raises(PromptError, match="sam_prompt"):
            remove(image, session=session, sam_prompt=wrong)


def test_names_of_models(monkeypatch) -> None:
    loaded = []
    monkeypatch.setattr(Matting, "load", lambda graphs, **options: loaded.append((graphs, options)))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for name in MODELS:
        assert new_session(name).model_name == name
    assert set(map(str, loaded)) == {str((None, {"device": "auto", "threads": 3}))}
    new_session("mobile_sam", providers=["CPUExecutionProvider"])
    assert loaded[-1] == ("mobile_sam", {"device": "cpu", "threads": 3})
    for name in (*REFUSED, "no-such-model"):
        with pytest.raises(ValueError, match=name):
            new_session(name)


def test_without_a_session_the_embedded_model_runs() -> None:
    with Image.open(EXAMPLES / "flower.jpg") as image:
        alpha = np.asarray(remove(image, only_mask=True))
    assert alpha[215, 310] > 240 and alpha[5, 5] < 10
