"""Packaging: requirement files agree with pyproject.toml, and the wheel works in an empty environment."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile

import numpy as np
import pytest
from PIL import Image

import mam
from tests.conftest import EXAMPLES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def parse_ranges(lines: list[str]) -> dict[str, str]:
    """Map each package to its version range; comments, extras and markers are ignored."""
    found = {}
    for line in lines:
        line = line.partition("#")[0].partition(";")[0].strip()
        if line and not line.startswith("-r"):
            name, _, limits = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?\s*(.*)", line).groups()
            found[name] = limits.replace(" ", "")
    return found


RANGES = parse_ranges(sum((EXTRAS[name] for name in ("text", "weights", "evaluate")), PROJECT["dependencies"]))


def read_ranges(path: str) -> dict[str, str]:
    return parse_ranges((ROOT / path).read_text().splitlines())


def test_the_page_repeats_the_ranges_of_pyproject() -> None:
    library = parse_ranges(
        PROJECT["dependencies"] + EXTRAS["text"] + EXTRAS["heic"] + EXTRAS["weights"] + EXTRAS["layers"]
    )
    page = read_ranges("requirements.txt")
    assert library.items() <= page.items()
    assert page["onnxruntime-gpu"] == page["onnxruntime"]
    assert set(page) - set(library) == {"onnxruntime-gpu", "gradio", "cachetools"}


def test_only_exports_and_tests_need_the_large_packages() -> None:
    large = {"torch", "transformers", "onnx", "segment-anything"}
    assert not large & set(read_ranges("requirements.txt"))
    export = read_ranges("export/requirements.txt")
    assert large <= set(export) and export["scipy"] == parse_ranges(EXTRAS["evaluate"])["scipy"]
    assert "-r ../requirements.txt" in (ROOT / "export/requirements.txt").read_text()
    assert "-r ../export/requirements.txt" in (ROOT / "tests/requirements.txt").read_text()


def test_every_range_has_both_bounds() -> None:
    extras = sum((ranges for name, ranges in EXTRAS.items() if name != "all"), PROJECT["dependencies"])
    for name, limits in parse_ranges(extras).items():
        assert re.fullmatch(r">=[\d.]+,<[\d.]+", limits), name


def test_extras_are_complete() -> None:
    assert parse_ranges(EXTRAS["train"]).keys() >= {"torch", "scipy", "segment-anything"}
    assert EXTRAS["all"] == [f"{PROJECT['name']}[text,weights,heic]"]


def test_the_description_on_pypi_has_no_front_matter_and_no_relative_links() -> None:
    pytest.importorskip("hatchling")
    describe = runpy.run_path(str(ROOT / "hatch_build.py"))["describe"]
    readme = (ROOT / "README.md").read_text("utf-8")
    text = describe(readme, "owner/name", "1.2.3")
    assert text.startswith("# Matting Anything") and "<!--" not in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links and all(link.startswith(("https://", "http://", "#")) for link in links)
    assert "https://github.com/owner/name/raw/v1.2.3/docs/strip.jpg" in links
    assert "](docs" not in describe(readme, "", "1.2.3") and "![" not in describe(readme, "", "1.2.3")


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment_with_the_lowest_versions(tmp_path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    named = {**os.environ, "GITHUB_REPOSITORY": "owner/name"}
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True, env=named)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 24e6
    names = zipfile.ZipFile(wheel).namelist()
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert f"Version: {mam.__version__}\n" in metadata
    assert "License-Expression: MIT AND CC-BY-2.0 AND CC-BY-4.0 AND LicenseRef-weights-research-only\n" in metadata
    assert "Project-URL: Repository, https://github.com/owner/name\n" in metadata
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "LICENSE-WEIGHTS.md"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"mam"}
    assert {
        "mam/py.typed",
        "mam/bundle/matte.onnx",
        "mam/cli/matte.py",
        "mam/templates/vit_b/template.json",
        "mam/proof_set/cup.png",
    } <= set(names)
    assert not [name for name in names if name.endswith(".pt")]

    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # The oldest Python, where the oldest packages have wheels, gets the lowest versions that pyproject.toml allows.
    lowest = tmp_path / "lowest.txt"
    oldest = sys.version_info[:2] == (3, 11)
    lowest.write_text("\n".join(f"{name}=={v[2:].split(',')[0]}" for name, v in RANGES.items() if oldest))
    install = [venv / "bin" / "pip", "install", "--quiet", "--only-binary", ":all:", "-c", lowest]
    subprocess.run([*install, wheel], check=True)
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < 600e6
    outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [venv / "bin" / "mam", "matte", EXAMPLES / "flower.jpg", "--box", "178,82,450,360"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=outside)
    assert done.stdout.strip() == "flower_matte.png"
    alpha = np.asarray(Image.open(tmp_path / "flower_matte.png"))[..., 3]
    assert alpha.shape == (427, 640) and alpha[215, 310] > 240 and alpha[5, 5] < 10
    subprocess.run([*install, f"{wheel}[text,weights,evaluate]"], check=True)
    imports = "import mam.weights.download, scipy, tokenizers, httpx, filelock, huggingface_hub"
    subprocess.run([venv / "bin" / "python", "-c", imports], check=True, cwd=tmp_path, env=outside)
    # Without onnxruntime the command explains what to install.
    subprocess.run([venv / "bin" / "pip", "uninstall", "--quiet", "--yes", "onnxruntime"], check=True)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=outside)
    assert done.returncode == 1 and done.stderr.startswith("mam: ") and "pip install onnxruntime" in done.stderr
