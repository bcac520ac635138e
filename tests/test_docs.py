"""The documentation: its links lead somewhere, its names are the library's."""

import re
from collections.abc import Iterator
from pathlib import Path

import mam

ROOT = Path(mam.__file__).parents[1]
ROOMS = ("demo", "docs", "examples", "export", "mam", "scripts", "tests", "training", "web")


def files(*endings: str) -> list[Path]:
    """The project's own files with these endings; "" stands for scripts."""
    inside = (file for room in ROOMS for file in (ROOT / room).rglob("*"))
    return sorted(
        file
        for file in (*ROOT.glob("*"), *inside)
        if file.is_file()
        and file.suffix in endings
        and (file.suffix or file.parent.name == "scripts")
        and "node_modules" not in file.parts
    )


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
