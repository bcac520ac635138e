"""The running page, called as a program calls it."""

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.conftest import EXAMPLES

BOX = [178, 82, 450, 360]


@pytest.fixture(scope="module")
def client(page, tmp_path_factory) -> Client:
    return Client(page, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


def test_matte_equals_the_librarys(client, flower) -> None:
    alpha, cutout, score = client.predict(handle_file(str(EXAMPLES / "flower.jpg")), BOX, api_name="/matte")
    expected = flower.matte(box=BOX)
    assert alpha.endswith("flower_alpha.png") and np.array_equal(np.asarray(Image.open(alpha)), expected.alpha_uint8())
    assert Image.open(cutout).mode == "RGBA" and score == pytest.approx(expected.score, abs=1e-5)


def test_points_labels_and_guidance(client, flower) -> None:
    library, flower = flower, handle_file(str(EXAMPLES / "flower.jpg"))
    alpha, *_ = client.predict(flower, BOX, [[310, 215], [20, 20]], [1, 0], "mask", api_name="/matte")
    expected = library.matte(box=BOX, points=[(310, 215), (20, 20)], labels=[1, 0], guidance="mask")
    assert np.array_equal(np.asarray(Image.open(alpha)), expected.alpha_uint8())
    assert not np.array_equal(expected.alpha_uint8(), library.matte(box=BOX).alpha_uint8())


def test_errors_arrive_in_words(client, tmp_path) -> None:
    flower = handle_file(str(EXAMPLES / "flower.jpg"))
    with pytest.raises(AppError, match="reversed; expected x0 < x1"):
        client.predict(flower, [90, 0, 10, 50], api_name="/matte")
    with pytest.raises(AppError, match="four numbers"):
        client.predict(flower, {"x": 1}, api_name="/matte")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(AppError, match="not a picture"):
        client.predict(handle_file(str(tmp_path / "bad.jpg")), BOX, api_name="/matte")


def test_only_the_public_function_is_offered(client) -> None:
    assert set(client.view_api(print_info=False, return_format="dict")["named_endpoints"]) == {"/matte"}
