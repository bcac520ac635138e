"""Images inside canvas messages; no server."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from demo.canvas.images import matte_message, offer_messages, photo_message, preview_url
from mam import Matting, Prompt, Scene
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs


def decode(url: str) -> Image.Image:
    kind, data = url.split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{image.format.lower()}"
    return image


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Matting(MockGraphs()).open(EXAMPLES / "flower.jpg")


def test_a_photo_comes_in_its_own_size(scene) -> None:
    message = photo_message(scene.photo)
    assert (message["width"], message["height"]) == decode(message["source"]).size == (640, 427)


@pytest.mark.parametrize("shown, sent", [([640, 427], False), ([1280, 854], False), ([427, 640], True), ("big", True)])
def test_a_photo_that_the_browser_shows_itself_is_not_sent_back(scene, shown, sent) -> None:
    assert ("source" in photo_message(scene.photo, shown)) == sent
    transparent = replace(scene.photo, alpha=np.zeros(scene.photo.size, np.uint8))
    assert "source" in photo_message(transparent, shown)


def test_a_large_photo_comes_smaller_with_its_own_size_beside_it() -> None:
    photo = Matting(MockGraphs()).open(np.zeros((1500, 3000, 3), np.uint8)).photo
    message = photo_message(photo)
    assert (message["width"], message["height"]) == (3000, 1500) and decode(message["source"]).size == (2048, 1024)


def test_a_matte_is_an_alpha_channel_and_sent_once(scene) -> None:
    matte = scene.matte(points=[(310, 215)])
    message = matte_message(matte, "key", with_pixels=True)
    assert message["key"] == "key"
    assert np.array_equal(np.asarray(decode(message["overlay"]).getchannel("A")), matte.alpha_uint8())
    assert "overlay" not in matte_message(matte, "key", with_pixels=False)
    mask = matte_message(matte.segment, "mask", with_pixels=True)
    assert np.array_equal(np.asarray(decode(mask["overlay"]).getchannel("A")) > 127, matte.segment.mask)


def test_offers_are_thumbnails_of_the_part_where_they_are(scene) -> None:
    (segment,) = scene.segment([Prompt(points=[(310, 215)])])
    messages = offer_messages(scene.photo, segment, scene.alternatives(segment))
    assert [one["name"] for one in messages] == ["whole", "more"]
    thumbnails = [decode(one["source"]) for one in messages]
    assert len({image.size for image in thumbnails}) == 1 and max(thumbnails[0].size) <= 112
    assert thumbnails[0].width / thumbnails[0].height == pytest.approx(1, abs=0.1)  # discs, not the whole photo


def test_a_preview_is_a_mask(scene) -> None:
    (segment,) = scene.segment([Prompt(points=[(310, 215)])])
    alpha = np.asarray(decode(preview_url(segment)).getchannel("A"))
    assert alpha.shape == (342, 512) and alpha[172, 248] == 255 and alpha[5, 5] == 0
