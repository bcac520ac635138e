"""Downloads from the Hugging Face hub, in its place a local server."""

from __future__ import annotations

import dataclasses

import pytest

from mam import WeightsError, weights
from mam.weights import WeightFile
from tests.mam.file_server import DATA, SHA256
from tests.mam.hub_server import FILES, GATED, MODEL, SPACE, TOKEN


@pytest.mark.parametrize("entry", [MODEL, SPACE], ids=["of a model", "of a Space"])
def test_a_file_is_downloaded_and_verified_with_progress(hub, tmp_path, entry) -> None:
    progress = []
    file = weights.fetch(entry.name, lambda have, expected: progress.append((have, expected)))
    assert file == tmp_path / "mam" / entry.name == weights.verified_path(entry.name) and file.read_bytes() == DATA
    assert progress[-1] == (len(DATA), len(DATA)) and len(progress) >= 3 and progress == sorted(progress)
    assert [(host, path.split("?")[0]) for host, path, *_ in hub.seen] == [
        ("127.0.0.1", FILES[0] if entry is MODEL else FILES[1]),
        ("localhost", f"/cdn/{SHA256}"),
    ]
    assert {path.name for path in file.parent.iterdir()} == {entry.name, f"{entry.name}.checked", f"{entry.name}.lock"}
    assert weights.fetch(entry.name) == file and len(hub.seen) == 2


def test_the_token_is_sent_to_the_hub_only(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert weights.fetch(GATED.name).read_bytes() == DATA
    assert [(host, token) for host, _, _, token in hub.seen] == [("127.0.0.1", f"Bearer {TOKEN}"), ("localhost", None)]


def test_a_public_file_needs_no_valid_token(hub, monkeypatch, caplog) -> None:
    hub.expired = "hf_expired"
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    assert weights.fetch(MODEL.name).read_bytes() == DATA
    assert [token for _, _, _, token in hub.seen] == ["Bearer hf_expired", None, None]
    assert "your token is refused" in caplog.text and "trying without it" in caplog.text
    with pytest.raises(WeightsError, match=r"your token has expired or is wrong: renew HF_TOKEN"):
        weights.fetch(GATED.name)


@pytest.mark.parametrize(
    ("address", "token", "message"),
    [
        (
            "hf://owner/gated/model.pth",
            None,
            r"401 Unauthorized: Access to model owner/gated is restricted.*`hf auth login` or HF_TOKEN",
        ),
        ("hf://owner/gated/model.pth", "hf_stranger", r"403 Forbidden: .*not in the list.*accept the conditions"),
        ("hf://nobody/nothing/x.pth", None, r"401 Unauthorized: Repository not found"),
        (
            "hf://conrevo/Segment-Anything-A1111/gone.pth",
            None,
            r"404 Not Found: Entry not found\); get the file elsewhere and put it into",
        ),
    ],
    ids=["gated, no token", "gated, other token", "no repository", "no file"],
)
def test_a_refusal_is_an_error_of_one_line_without_retries(hub, monkeypatch, address, token, message) -> None:
    monkeypatch.setitem(weights.REGISTRY, "x.pth", WeightFile("x.pth", "x", "MIT", address))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(WeightsError, match=message) as error:
        weights.fetch("x.pth")
    assert "\n" not in str(error.value) and len(hub.seen) == 1


def test_a_file_without_a_known_digest_has_the_hubs(hub, monkeypatch) -> None:
    monkeypatch.setitem(weights.REGISTRY, MODEL.name, dataclasses.replace(MODEL, size=0, sha256=""))
    hub.data = DATA[:-1] + b"x"
    with pytest.raises(WeightsError, match=f"expected {SHA256}: it is damaged or another file"):
        weights.fetch(MODEL.name)
    hub.data = DATA
    file = weights.fetch(MODEL.name)
    file.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(WeightsError, match=f"expected {SHA256}"):
        weights.verified_path(MODEL.name)


def test_offline_mode_sends_no_request(hub, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE forbids downloads"):
        weights.fetch(MODEL.name)
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids downloads"):
        weights.fetch(MODEL.name)
    assert not hub.seen


def test_an_unreachable_hub_is_an_error(hub, monkeypatch) -> None:
    hub.shutdown()
    hub.server_close()
    with pytest.raises(WeightsError, match=r"from http://127.0.0.1:\d+/conrevo/.*ConnectError.*; try again later"):
        weights.fetch(MODEL.name)


def test_every_file_that_is_downloaded_is_verified() -> None:
    """By a digest that is known here, or by the one that the hub gives."""
    downloaded = [file for file in weights.REGISTRY.values() if file.url]
    assert all(file.sha256 or file.url.startswith("hf://") for file in downloaded)


def test_variables_that_forbid_a_download(monkeypatch) -> None:
    on_hub, elsewhere = "mobile_sam.pt", "sam_vit_b_01ec64.pth"
    assert weights.may_download(on_hub) and weights.may_download(elsewhere)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not weights.may_download(on_hub) and weights.may_download(elsewhere)
    monkeypatch.setenv("MAM_MIRROR", "http://mirror")
    assert weights.may_download(on_hub)
    monkeypatch.setenv("MAM_OFFLINE", "true")
    assert not weights.may_download(on_hub) and not weights.may_download(elsewhere)
