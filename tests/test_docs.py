"""The documentation: its examples run, its links lead somewhere, its names are the library's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mam

ROOT = Path(mam.__file__).parents[1]
ROOMS = ("demo", "docs", "export", "mam", "scripts", "tests", "tools")


def files(*endings: str) -> list[Path]:
    """The project's own files with these endings; "" stands for scripts."""
    inside = (file for room in ROOMS for file in (ROOT / room).rglob("*"))
    return sorted(
        file
        for file in (*ROOT.glob("*"), *inside)
        if file.is_file() and file.suffix in endings and (file.suffix or file.parent.name == "scripts")
    )


def blocks(document: str, language: str) -> list[str]:
    """The fenced code of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the repository's `demo/` in it, where examples may write."""
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/usage.md"])
def test_python_examples_run(document: str, in_a_copy: Path) -> None:
    namespace: dict[str, object] = {}
    examples = [block for block in blocks(document, "python") if not block.startswith("# needs ")]
    assert examples
    for example in examples:
        exec(example, namespace)
    assert (in_a_copy / "flower.png").stat().st_size > 10_000


@pytest.mark.slow
def test_command_line_examples_run(in_a_copy: Path) -> None:
    from mam.cli import main

    lines = [line for block in blocks("README.md", "bash") for line in block.splitlines() if line.startswith("mam ")]
    for line in lines:
        assert main(line.split()[1:]) == 0, line
    assert sorted(file.stem for file in in_a_copy.glob("*.png")) == ["astronaut", "cat", "flower", "kitten"]


def test_relative_links_resolve() -> None:
    for document in files(".md"):
        text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = link.partition("#")
            if link.startswith(("http://", "https://")):
                continue
            target = (document.parent / name).resolve() if name else document
            assert target.exists(), f"{document.relative_to(ROOT)} links to {link}"
            if anchor:
                assert anchor in set(anchors(target)), f"{document.relative_to(ROOT)} links to {link}"


def anchors(document: Path) -> Iterator[str]:
    """The names under which a document's headings can be linked to."""
    for heading in re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_public_names_are_the_documented_ones() -> None:
    section = (ROOT / "docs" / "usage.md").read_text().split("### Public names")[1].split("\n## ")[0].split("\n### ")[0]
    assert set(re.findall(r"^\| `(\w+)", section, re.MULTILINE)) == set(mam.__all__)


def test_version_is_the_changelogs() -> None:
    top = re.search(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] == mam.__version__
