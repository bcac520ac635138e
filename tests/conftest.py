"""Shared fixtures: a seeded random model smaller than `tiny`, its graphs, the embedded model, a real photograph,
a small random text model."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "demo" / "examples"
TINY_CHECKPOINTS = [ROOT / "mam" / "bundle" / f"tiny_{part}.pt" for part in ("image_encoder", "m2m", "mask_decoder")]
FLOWER_BOX = (178, 82, 450, 360)  # in flower.jpg


# Packages that the library can do without. A test that needs a missing one is skipped, except in CI.
OPTIONAL = """
tokenizers httpx filelock huggingface_hub ray pyarrow tritonclient scipy pi_heif torch safetensors transformers timm
torchvision segment_anything onnx onnxsim onnxslim openvino starlette uvicorn multipart gradio gradio_client cachetools
playwright axe_playwright_python mcp hypothesis
"""
# Folders and fixtures that need torch, fixtures that start a page.
TORCH_FOLDERS = {("export",), ("nets",), ("training",)}
TORCH_FIXTURES = {"model", "graphs_folder", "small_templates", "grounding_source"}
PAGES = {"page", "mock_page", "slow_page", "site"}


class Module(pytest.Module):
    """A file of tests, which is skipped where a package that it imports is missing."""

    def _getobj(self) -> object:
        try:
            return super()._getobj()
        except self.CollectError as error:
            if name := missing_package(error.__cause__):
                pytest.skip(f"needs {name}", allow_module_level=True)
            raise


def missing_package(error: BaseException | None) -> str | None:
    """Name of the optional package that an import did not find."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    missing = isinstance(error, ModuleNotFoundError) and name in OPTIONAL.split() and not os.environ.get("CI")
    return name if missing else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return Module.from_parent(parent, path=module_path)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files of tests that need torch where slow tests are not wanted."""
    return True if config.option.markexpr == "not slow" and needs_torch(collection_path) else None


def needs_torch(path: Path) -> bool:
    """Whether all tests of a file need torch."""
    if path.suffix != ".py":
        return False
    folders = path.relative_to(ROOT / "tests").parts[:-1]
    return (folders[:1] in TORCH_FOLDERS and "web" not in folders) or "\nimport torch\n" in path.read_text("utf-8")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that needs torch or a browser; both are slow, and so is a page."""
    fixtures = set(item.fixturenames)
    torch = needs_torch(item.path) or fixtures & TORCH_FIXTURES
    for name, needed in (("torch", torch), ("browser", "browser" in fixtures)):
        if needed:
            item.add_marker(name)
            item.add_marker("slow")
    if fixtures & PAGES:
        item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo) -> Iterator[None]:
    """Skip a test that imports a missing package while it runs."""
    if call.excinfo and (name := missing_package(call.excinfo.value)):
        with pytest.raises(pytest.skip.Exception) as call.excinfo:
            pytest.skip(f"needs {name}")
    return (yield)


def pytest_report_header() -> str:
    """Versions that decide results."""
    names = ("onnxruntime", "numpy", "pillow", "torch", "onnx", "gradio", "transformers", "tokenizers")
    return ", ".join(f"{name} {version}" for name in names if (version := installed_version(name)))


def installed_version(name: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


@pytest.fixture(scope="session", autouse=True)
def nobodys_models(tmp_path_factory):
    """Keep the tests away from files that the user of this machine has downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def mini():
    """The smallest variant: everything of `tiny`, narrower."""
    from mam.model.contract import InferencePolicy
    from mam.model.variants import Tiny, Variant

    networks = Tiny(decoder=(8, 8, 16), matte=(8, 8, 8, 8))
    return Variant("mini", networks, policy=InferencePolicy(multimask=False, main_object=True))


@pytest.fixture(scope="session")
def model(mini):
    """The smallest variant with random weights."""
    from mam.nets.checkpoint import build_seeded

    return build_seeded(mini, 0)


@pytest.fixture(scope="session")
def graphs_folder(model, tmp_path_factory) -> Path:
    """The three graphs of `model`."""
    from export.write import write_graphs

    folder = tmp_path_factory.mktemp("graphs")
    write_graphs(model, "seed 0", folder)
    return folder


@pytest.fixture(scope="session")
def small_templates(tmp_path_factory) -> Path:
    """A folder like `mam/templates`, with a small SAM as `vit_b`."""
    from export.templates import write_template
    from tests.small_vit import SMALL

    folder = tmp_path_factory.mktemp("templates")
    write_template(SMALL, folder / "vit_b")
    return folder


@pytest.fixture(scope="session")
def matting():
    """The embedded model."""
    from mam import Matting

    return Matting.load(device="cpu")


@pytest.fixture(scope="session")
def flower(matting):
    """A real photograph, encoded."""
    return matting.open(EXAMPLES / "flower.jpg")


@pytest.fixture(scope="session")
def grounding_source(tmp_path_factory) -> Path:
    """A small random Grounding DINO in Hugging Face's layout."""
    from tests.grounding import write_source

    return write_source(tmp_path_factory.mktemp("grounding_source"))


@pytest.fixture(scope="session")
def grounding_folder(grounding_source, tmp_path_factory) -> Path:
    """The same, exported."""
    from export.grounding import Source, write_grounding
    from tests.grounding import one_thread

    folder = tmp_path_factory.mktemp("grounding")
    with one_thread():
        write_grounding(Source.in_folder(grounding_source), folder)
    return folder


@pytest.fixture(scope="session")
def grounding(grounding_folder):
    """The same, loaded."""
    from mam import Grounding

    return Grounding.load(grounding_folder, "cpu", threads=1)


@pytest.fixture(scope="session")
def grounding_template(grounding_source, tmp_path_factory) -> Path:
    """Its graph without weights, as the library has the published model's."""
    from transformers import GroundingDinoConfig

    from export.grounding import Source, read_preprocessor
    from export.grounding_template import write_grounding_template
    from tests.grounding import one_thread

    folder, source = tmp_path_factory.mktemp("grounding_template"), Source.in_folder(grounding_source)
    with one_thread():
        config = GroundingDinoConfig.from_json_file(source.config)
        write_grounding_template("grounding-dino-tiny", config, read_preprocessor(source), folder)
    return folder


@pytest.fixture(scope="session")
def grounding_mirror(grounding_source, grounding_folder, tmp_path_factory) -> Path:
    """Its weights and tokenizer, named as a server has the published model's."""
    from tests.grounding import write_mirror

    return write_mirror(grounding_source, grounding_folder / "tokenizer.json", tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="session")
def python() -> str:
    """This interpreter, for subprocesses."""
    return sys.executable


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must install Chromium", pytrace=False)
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
