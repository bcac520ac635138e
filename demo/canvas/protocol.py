"""Messages between the canvas in the browser and the server: types, limits, and order. Read this file first.

The way of one photo from the canvas to the PNG begins in these five files:

1. `canvas/js/transport.js`  `requestMattes` sends the document: every object with its boxes, points and strokes
2. `canvas/parsing.py`       `parse_document` checks it
3. `tabs/cut_out.py`         `CutOutEvents.answer_prompts` asks for a matte per object and replies with `Mattes`
4. `engine.py`               `Engine.matte` computes it, or finds it in the store
5. `tabs/result.py`          `ResultEvents.save` composes all mattes at full size and writes the file

The browser owns the document; the server never changes one. Each `PromptMessage`, sent by the event `prompt`, holds the
whole document, so a lost or skipped message costs nothing. The server answers through the component's value, which is
one of the types in `Reply`, distinguished by `kind`. Previews under the pointer (`PreviewRequest`) and what else
prompts may have meant (`OffersRequest`) are direct calls outside this order. Coordinates are pixels of the original
photo.

A photo takes one request: the browser shows its own file where it can decode it, and sends it; the server replies
with `PhotoOpened`, then with `Mattes` for the document in it. Every answer comes twice: made of masks, which take a
fraction of the time, with `refining` set, then of mattes. Only the second is saved.

Four rules keep a slow reply from replacing a newer one:

- Token. Every opened photo has a new token, in all messages about it. The server skips messages about a photo that its
  visitor no longer has open (`Engine.is_open`), even if that changed during the computation; the browser skips such
  replies.
- Turn. Every change of the document has a number, repeated in its `Mattes`; a photo opens with turn 0. The browser
  keeps the pixels of any reply, but shows and announces only mattes of the newest turn.
- One request at a time. Until the first `Mattes` of a request arrive (`request` in transport.js), a change only marks
  the document as `outdated`; it is sent when they or a failure arrive, or with the next change after 30 seconds. So
  this event can have the trigger mode "multiple". Gradio's own "always_last" would repeat an event without its data.
- Newest photo, answer and result. `Visitors.begin_opening` decides which of several photos stays open. Text and results
  have the mode "always_last"; answers and results may overtake others on the server, so each begins by `Visitors.begin`
  and is skipped unless it is still the newest when it is ready.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

Offer = Literal["part", "larger_part", "whole", "more", "add", "only"]
"""One of `ALTERNATIVES`; or what a click beside the main object may mean: add to it, or only the other object."""


@dataclass(frozen=True)
class Limits:
    """Bounds that the browser respects and the server enforces."""

    objects: int
    ops_per_object: int
    ops: int  # on all objects together
    stroke_points: int
    name_length: int
    text_length: int
    found_boxes: int
    upload_megabytes: int


SOURCES: dict[str, Any] = json.loads(Path(__file__).with_name("canvas.json").read_text("utf-8"))
"""The scripts of the canvas in their order, and the limits; `export/web` builds its page from the same file."""
LIMITS = Limits(**SOURCES["limits"])


def limits_as_javascript() -> str:
    """Return the declaration of `LIMITS` that precedes the canvas's scripts."""
    return f"const LIMITS = {json.dumps(asdict(LIMITS))};\n"


# From the browser ----------------------------------------------------------------------------------------------------


class OpMessage(TypedDict):
    """A `demo.session.Op`: `xy` and `label` of a box, point or stroke, `name` of a candidate, the rest of "paint"."""

    kind: Literal["main", "box", "point", "scribble", "candidate", "paint"]
    xy: NotRequired[list]
    label: NotRequired[Literal[0, 1, 2]]
    name: NotRequired[str]
    size: NotRequired[float]
    softness: NotRequired[float]
    snap: NotRequired[bool]


class ObjectMessage(TypedDict):
    """A `demo.session.SceneObject`."""

    id: int
    name: str
    visible: bool
    ops: list[OpMessage]


class Document(TypedDict):
    """The visitor's document: all objects, and the id of the selected one."""

    objects: list[ObjectMessage]
    active: int


class PromptMessage(Document):
    """The data of the event `prompt`; `have` lists the keys of mattes that the browser holds already."""

    token: str
    turn: int
    have: list[str]


class UploadMessage(TypedDict):
    """The data of the event `uploaded`: the path of a photo that the browser has sent to Gradio's upload route.

    `opening` counts the photos that the browser opens. `shown` is the size (width, height) at which the browser shows
    its own file. `document` is the one that the visitor had before the page was reloaded or the server restarted.
    """

    path: str
    opening: int
    shown: NotRequired[list[int]]
    document: NotRequired[Document]


class ExampleMessage(TypedDict):
    """The data of the event `example`: the name of the example that was chosen; the others as in `UploadMessage`."""

    name: str
    opening: int
    document: NotRequired[Document]


class PreviewRequest(TypedDict):
    """The argument of the server function `preview`: a click that was not made yet, on an object with these `ops`.

    The server returns a data URL of a mask, or None if it cannot answer at once.
    """

    token: str
    x: float
    y: float
    label: Literal[0, 1]
    ops: list[OpMessage]


class OffersRequest(TypedDict):
    """The argument of the server function `offers`: the prompts of an object that was answered.

    The server returns a list of `OfferMessage`, or None if the browser is to ask again a little later.
    """

    token: str
    ops: list[OpMessage]


# From the server -----------------------------------------------------------------------------------------------------


class NoPhoto(TypedDict):
    """There is no photo: the page was just opened, or `expired`, so that the browser has to send the photo again."""

    kind: Literal["no_photo"]
    text: str
    error: bool
    expired: bool


class Busy(TypedDict):
    """The server works on something that the visitor waits for."""

    kind: Literal["busy"]
    text: str


class Failure(TypedDict):
    """Something failed and nothing changed. `time` makes the value differ from the last, so that Gradio delivers it."""

    kind: Literal["failure"]
    time: float
    text: str


class PhotoMessage(TypedDict):
    """A photo's size in original pixels, and a data URL of it, made smaller for the screen.

    `source` is left out if the browser shows its own file.
    """

    width: int
    height: int
    source: NotRequired[str]


class PhotoOpened(TypedDict):
    """A photo to show, and its document; `Mattes` for it follow, with turn 0, if it has any prompts.

    `note` states what was left out of the file; it stays in sight until the next change. `opening` is the request's.
    """

    kind: Literal["photo"]
    opening: int | None
    token: str
    photo: PhotoMessage
    document: Document
    note: str
    text: str


class AskAgain(TypedDict):
    """The browser should send its document again: a setting outside the canvas changed. `time` as in `Failure`."""

    kind: Literal["ask_again"]
    time: float


class OfferMessage(TypedDict):
    """What the prompts of an object may have meant instead: its name and a data URL of a thumbnail."""

    name: Offer
    source: str


class MatteMessage(TypedDict):
    """One object's matte: `overlay`, a data URL with it as the alpha channel, is left out if the browser has `key`."""

    key: str
    overlay: NotRequired[str]


class Mattes(TypedDict):
    """Mattes by object id, and a line about the selected object; `refining`: masks, which mattes will replace."""

    kind: Literal["mattes"]
    token: str
    turn: int | None
    mattes: dict[str, MatteMessage]
    text: str
    error: bool
    refining: bool


class BoxMessage(TypedDict):
    """A place where the text was found."""

    xy: list[float]
    label: str


class TextBoxes(TypedDict):
    """Boxes where a text was found, the best first; the browser uses that one as the prompt and offers the others.

    `note` states what was not read; as in `PhotoOpened`.
    """

    kind: Literal["text_boxes"]
    token: str
    boxes: list[BoxMessage]
    note: str
    text: str
    error: bool


Reply = NoPhoto | Busy | Failure | PhotoOpened | AskAgain | Mattes | TextBoxes
