"""API of the running page, called by gradio_client, plain HTTP, and a real MCP client."""

import asyncio
import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from tests.conftest import EXAMPLES

BOX = [178, 82, 450, 360]
FLOWER = EXAMPLES / "flower.jpg"


@pytest.fixture(scope="module")
def client(page, tmp_path_factory) -> Client:
    return Client(page, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


def test_a_matte_equals_that_of_the_library(client, flower) -> None:
    alpha, cutout, score = client.predict(handle_file(str(FLOWER)), BOX, api_name="/matte")
    expected = flower.matte(box=BOX)
    assert alpha.endswith("flower_alpha.png") and np.array_equal(np.asarray(Image.open(alpha)), expected.alpha_uint8())
    assert Image.open(cutout).mode == "RGBA" and score == pytest.approx(expected.score, abs=1e-5)


def test_all_kinds_of_prompts(client, flower) -> None:
    prompts = {"box": BOX, "points": [[310, 215], [20, 20]], "labels": [1, 0], "scribbles": [[[250, 200], [350, 220]]]}
    alpha, *_ = client.predict(handle_file(str(FLOWER)), **prompts, guidance="mask", api_name="/matte")
    expected = flower.matte(**prompts, guidance="mask")
    assert np.array_equal(np.asarray(Image.open(alpha)), expected.alpha_uint8())
    assert not np.array_equal(expected.alpha_uint8(), flower.matte(box=BOX).alpha_uint8())


def test_replace_background(client, flower) -> None:
    result = client.predict(handle_file(str(FLOWER)), "#102030", box=BOX, api_name="/replace_background")
    assert np.array_equal(np.asarray(Image.open(result)), flower.matte(box=BOX).over("#102030"))
    cat = handle_file(str(EXAMPLES / "cat.png"))
    over = client.predict(handle_file(str(FLOWER)), "white", cat, box=BOX, api_name="/replace_background")
    expected = flower.matte(box=BOX).over(Image.open(EXAMPLES / "cat.png"))
    assert np.array_equal(np.asarray(Image.open(over)), expected)


def test_a_text_names_the_object(client) -> None:
    alpha, *_ = client.predict(handle_file(str(FLOWER)), text="flower", api_name="/matte")
    assert np.asarray(Image.open(alpha))[215, 310] > 200 and np.asarray(Image.open(alpha))[20, 20] < 20


def test_models(client) -> None:
    listed = {model["name"]: model for model in client.predict(api_name="/models")}
    assert listed["tiny"]["in_use"] and listed["tiny"]["state"] == "ready" and listed["mobile_sam"]["megabytes"] == 41


def test_segment(client) -> None:
    masks, scores = client.predict(handle_file(str(FLOWER)), points=[[310, 215]], api_name="/segment")
    assert 1 < len(masks) == len(scores) <= 4 and np.asarray(Image.open(masks[0])).shape == (427, 640)


def test_errors_reach_the_caller(client, tmp_path) -> None:
    flower = handle_file(str(FLOWER))
    with pytest.raises(AppError, match="reversed; expected x0 < x1"):
        client.predict(flower, [90, 0, 10, 50], api_name="/matte")
    with pytest.raises(AppError, match="'wolf' is not known here; these are: airplane"):
        client.predict(flower, text="the wolf", api_name="/matte")
    with pytest.raises(AppError, match=r"nothing found for 'bus\.'"):
        client.predict(flower, text="a bus", api_name="/matte")
    with pytest.raises(AppError, match="four numbers"):
        client.predict(flower, {"x": 1}, api_name="/matte")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(AppError, match="not an image"):
        client.predict(handle_file(str(tmp_path / "bad.jpg")), BOX, api_name="/matte")


def call(page: str, name: str, data: list) -> str:
    """The last event of a call over plain HTTP."""
    event = httpx.post(f"{page}gradio_api/call/{name}", json={"data": data}).json()["event_id"]
    return httpx.get(f"{page}gradio_api/call/{name}/{event}", timeout=60).text


@pytest.mark.parametrize("path", ["/etc/hostname", str(FLOWER), "../../etc/hostname", None, 5])
def test_no_path_of_a_client_is_opened(page, path) -> None:
    for mark in ({"meta": {"_type": "gradio.FileData"}}, {}):
        answer = call(page, "matte", [{"path": path, **mark}, BOX])
        assert "event: error" in answer and "complete" not in answer
    answer = call(page, "replace_background", [{"path": path}, "white", None, BOX])
    assert "event: error" in answer


def test_no_file_outside_is_served(page) -> None:
    for path in ("/etc/hostname", str(FLOWER.parents[2] / "requirements.txt"), "demo/app.py", "../../etc/hostname"):
        assert httpx.get(f"{page}gradio_api/file={path}").status_code in (403, 404)


NOTHING = {"points": [], "labels": "", "scribbles": "[]", "scribble_labels": None, "guidance": "", "text": ""}


@pytest.mark.parametrize("box", [BOX, json.dumps(BOX), "178, 82, 450, 360"])
def test_lists_may_be_text_and_empty_values_are_left_out(page, client, flower, box) -> None:
    alpha, *_ = client.predict(handle_file(str(FLOWER)), box=box, **NOTHING, api_name="/matte")
    assert np.array_equal(np.asarray(Image.open(alpha)), flower.matte(box=BOX).alpha_uint8())


def test_empty_values_of_the_other_functions(page, client) -> None:
    with open(FLOWER, "rb") as file:
        path = httpx.post(f"{page}gradio_api/upload", files={"files": file}).json()[0]
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for nothing in (None, "", {}, {"path": ""}):
        call = {"image": image, "background": "", "background_image": nothing, "box": BOX}
        event = httpx.post(f"{page}gradio_api/call/v2/replace_background", json=call).json()["event_id"]
        answer = httpx.get(f"{page}gradio_api/call/replace_background/{event}", timeout=60).text
        assert "event: complete" in answer, (nothing, answer)
    masks, scores = client.predict(handle_file(str(FLOWER)), "", "[[310, 215]]", "[1]", api_name="/segment")
    assert len(masks) == len(scores) > 1
    with pytest.raises(AppError, match="box is 'left'; expected a list of numbers"):
        client.predict(handle_file(str(FLOWER)), "left", api_name="/matte")
    with pytest.raises(AppError, match="expected a list of numbers"):
        client.predict(handle_file(str(FLOWER)), "[" * 100_000, api_name="/matte")
    with pytest.raises(AppError, match=r"excludes something|names? what to cut out"):
        client.predict(handle_file(str(FLOWER)), text="everything except the dog", api_name="/matte")


def test_only_the_public_functions_are_offered(client) -> None:
    described = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert set(described) == {"/matte", "/models", "/replace_background", "/segment"}
    assert [p["parameter_name"] for p in described["/matte"]["parameters"]][:3] == ["image", "box", "points"]


def test_a_language_model_can_do_the_same(page, flower) -> None:
    async def ignore(progress: float, total: float | None, message: str | None) -> None:
        pass

    async def talk() -> tuple:
        image = "data:image/jpeg;base64," + base64.b64encode(FLOWER.read_bytes()).decode()
        async with (
            streamable_http_client(f"{page}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            good = await session.call_tool("matte", {"image": image, "box": BOX}, progress_callback=ignore)
            plain = await session.call_tool("matte", {"image": image, "box": BOX})
            bad = await session.call_tool("matte", {"image": image, "box": [9, 9, 1, 1]})
            empty = await session.call_tool("matte", {"image": image, "box": json.dumps(BOX), **NOTHING})
            values = {"image": image, "background": "", "background_image": "", "box": BOX, "text": ""}
            behind = await session.call_tool("replace_background", values)
            return tools, good, plain, bad, empty, behind

    with ThreadPoolExecutor() as threads:  # the browser tests have a running loop in this one
        tools, good, plain, bad, empty, behind = threads.submit(asyncio.run, talk()).result()
    assert set(tools) == {"matte", "replace_background", "segment", "models"}
    assert "Cut one object out" in tools["matte"].description
    assert "pixels" in json.dumps(tools["matte"].inputSchema["properties"]["box"])
    assert tools["matte"].inputSchema["properties"]["text"]["description"].endswith("has a text model for phrases.")
    assert not empty.isError and not behind.isError, (empty, behind)
    alpha = next(part for part in good.content if part.type == "image")
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(alpha.data))))
    assert not good.isError and np.array_equal(found, flower.matte(box=BOX).alpha_uint8())
    # Gradio sends images to clients that ask for progress; the others get links.
    assert "_alpha.png" in plain.content[0].text and "http://" in plain.content[0].text
    assert bad.isError and "reversed" in bad.content[0].text


def test_rembgs_and_removebgs_requests(page, flower) -> None:
    expected = flower.matte().cutout()
    for path, field in (("api/remove", "file"), ("v1.0/removebg", "image_file")):
        answer = httpx.post(page + path, files={field: FLOWER.read_bytes()}, data={"size": "auto"}, timeout=60)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), expected), answer.text[:200]
        assert httpx.post(page + path, files={field: b"text"}).status_code == 400
        assert (
            httpx.post(page + path, files={field: b"a"}, headers={"Origin": "http://evil.example"}).status_code == 403
        )
