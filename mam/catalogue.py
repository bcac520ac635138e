"""The models that can be chosen, with what a person needs to choose: for `mam models`, the page and its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mam import weights
from mam.model import contract
from mam.model.folders import BUNDLE, TEMPLATES, is_ready, required_checkpoints
from mam.model.template import is_template, read_manifest
from mam.model.variants import BEST_AT, VARIANTS
from mam.proof import Proof, read_proof

State = Literal["ready", "to get", "by hand", "offline"]


@dataclass(frozen=True)
class Model:
    """A model that can be chosen.

    Attributes:
        name: the variant's name.
        size: bytes of its files; 0 if unknown.
        licence: the weights' licence.
        best_at: a key of `mam.model.variants.BEST_AT`.
        state: "ready" on this machine; "to get" by a download; "by hand": a file has to be put into the cache; or
            "offline": a variable forbids the download.
        proof: the outcome of its check on this machine, if there was one.
    """

    name: str
    size: int
    licence: str
    best_at: str
    state: State
    proof: Proof | None

    def describe(self) -> str:
        """Return the facts in one line."""
        facts = (f"{self.size / 1e6:.0f} MB" if self.size else "", BEST_AT[self.best_at], self.licence)
        return "; ".join(fact for fact in facts if fact)


def list_models() -> list[Model]:
    """List the embedded model and the variants whose graphs only need their checkpoints."""
    return [find_entry(name) for name in VARIANTS if name == "tiny" or is_template(TEMPLATES / name)]


def find_entry(name: str) -> Model:
    """Return the entry of one of these variants."""
    variant, folder = VARIANTS[name], TEMPLATES / name
    if name == "tiny":
        size = sum(file.stat().st_size for file in (BUNDLE / graph.file for graph in contract.GRAPHS))
        return Model(name, size, variant.licence, variant.best_at, "ready", None)
    files = {part.checkpoint for part in read_manifest(folder).values()}
    size = sum(weights.look_up(file).size for file in files)
    return Model(name, size, variant.licence, variant.best_at, _state(name), read_proof(folder))


def _state(name: str) -> State:
    if is_ready(name):
        return "ready"
    needed = required_checkpoints(TEMPLATES / name)
    if not all(weights.look_up(file).url for file in needed):
        return "by hand"
    return "to get" if all(map(weights.may_download, needed)) else "offline"
