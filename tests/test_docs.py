"""The documentation: sizes, links, examples that run, and the project's vocabulary in documents, code and messages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mam

ROOT = Path(mam.__file__).parents[1]
ROOMS = ("demo", "docs", "export", "mam", "scripts", "tests", "tools")

# A word that is not used here, and what stands for it.
FORBIDDEN = {
    "say": "state, report, print",
    "says": "states, reports, prints",
    "said": "stated, reported, printed",
    "looks": "seems, searches",
    "whose": "with, of which",
    "mend": "refine, correct",
    "told": "given, shown, printed",
    "mended": "refined, corrected",
    "mends": "refines, corrects",
    "tell": "show, report, give",
    "tells": "shows, reports, gives",
    "settle": "snap, stop, decide",
    "settles": "snaps, stops, decides",
    "settled": "snapped, stopped, decided",
    "surer": "with a higher score",
    "surest": "with the highest score",
    "perceptrons": "MLP",
    "surroundings": "background",
}
# Old names in the changelog, and the method of files.
EXEMPT_LINES = ("`mam.looks`", "tiny-mend", "stream.tell()")


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


@pytest.mark.parametrize(("document", "limit"), [("README.md", 7000), ("mam/bundle/README.md", 6000)])
def test_short_documents_stay_short(document: str, limit: int) -> None:
    assert (ROOT / document).stat().st_size <= limit


@pytest.mark.parametrize("document", ["README.md", "docs/usage.md"])
def test_python_examples_run(document: str, in_a_copy: Path) -> None:
    namespace: dict[str, object] = {}
    examples = [block for block in blocks(document, "python") if not block.startswith("# needs ")]
    assert examples
    for example in examples:
        exec(example, namespace)
    assert (in_a_copy / "flower.png").stat().st_size > 10_000


def test_command_line_examples_run(in_a_copy: Path) -> None:
    from mam.cli import main

    lines = [line for block in blocks("README.md", "bash") for line in block.splitlines() if line.startswith("mam ")]
    assert len(lines) == 5
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


def test_the_vocabulary_is_the_fields() -> None:
    word = re.compile(rf"\b({'|'.join(FORBIDDEN)})\b", re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match[1]} (write {FORBIDDEN[match[1].lower()]})"
        for file in files(".md", ".py", ".js", ".html", ".css", "")
        if file != Path(__file__)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if not any(part in line for part in EXEMPT_LINES)
        and (match := word.search(re.sub(r"\"[^\"]{30,}\"", "", line) if file.suffix == ".md" else line))
    ]
    assert not found, "\n".join(found)


def test_no_two_files_begin_alike() -> None:
    heads: dict[str, Path] = {}
    for file in files(".py"):
        text = file.read_text()
        if text.startswith('"""'):
            head = text[3:].splitlines()[0]
            assert head not in heads, f"{file} and {heads[head]} begin with the same line"
            heads[head] = file


def test_public_names_are_the_documented_ones() -> None:
    section = (ROOT / "docs" / "usage.md").read_text().split("### Public names")[1].split("\n## ")[0].split("\n### ")[0]
    assert set(re.findall(r"^\| `(\w+)", section, re.MULTILINE)) == set(mam.__all__)


def test_version_is_the_changelogs() -> None:
    top = re.search(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] == mam.__version__
