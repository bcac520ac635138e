"""The models that a page has in memory, and which of them each visitor uses."""

from __future__ import annotations

from dataclasses import replace

from mam import Matting

_MODELS = 2  # kept in memory in addition to the first one
_CHOICES = 1000  # remembered at most, because anybody can invent visitors


class Choices:
    """Models by name, a default, and the visitors' choices.

    Attributes:
        default: The model for visitors who have chosen none, and for programs.
        models: The models in memory: the first one and those that were added last.

    Args:
        first: The model that the page begins with.
    """

    def __init__(self, first: Matting) -> None:
        self.default, self.models = first, {first.graphs.variant: first}
        self._chosen: dict[str, str] = {}  # names of models by visitor, and by the token of an open photo

    def add(self, matting: Matting, replace_default: bool) -> None:
        """Add a model; with `replace_default`, it answers new photos of visitors who have chosen none."""
        matting = replace(matting, grounding=self.default.grounding)  # the text model may be in memory already
        self.models[matting.graphs.variant] = matting
        if replace_default:
            self.default = matting
        spare = [name for name, one in list(self.models.items())[1:] if one is not self.default]
        for name in spare[: max(0, len(self.models) - 1 - _MODELS)]:
            del self.models[name]

    def choose(self, visitor: str, token: str | None, name: str) -> None:
        """Set a visitor's model, also for the open photo."""
        for key in (visitor, token) if token else (visitor,):
            self._note(key, name)

    def begin(self, visitor: str, token: str) -> None:
        """Note the model of a new photo, which stays with it when the default changes."""
        self._note(token, self._chosen.get(visitor, self.default.graphs.variant))

    def of(self, key: str) -> Matting:
        """Return the model for a photo's token or for a visitor."""
        return self.models.get(self._chosen.get(key, ""), self.default)

    def forget(self, visitor: str, but: str | None = None) -> None:
        """Forget a visitor's photos and choice; with `but`, a token, keep that photo and the choice."""
        for key in list(self._chosen):
            if (key == visitor and but is None) or (key.startswith(f"{visitor}.") and key != but):
                self._chosen.pop(key, None)

    def _note(self, key: str, name: str) -> None:
        self._chosen.pop(key, None)  # the newest is last
        self._chosen[key] = name
        for oldest in list(self._chosen)[:-_CHOICES]:
            self._chosen.pop(oldest, None)
