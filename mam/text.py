"""Words -> boxes: Grounding DINO as one graph, its tokenizer, and numpy.

    Grounding       the graph and the tokenizer, loaded
      .find() -> FoundBoxes     where the words are, the best first; empty with the best score when they are nowhere

Source: Liu et al. 2023, "Grounding DINO"; transformers/models/grounding_dino (masks, sizes, scores), which tests compare with.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
from PIL import Image

from mam import contract, runtime, weights
from mam.errors import GraphError, PromptError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
MODELS = ("grounding-dino-tiny", "grounding-dino-base")
MAX_TOKENS = 256
BOX_THRESHOLD, TEXT_THRESHOLD, NMS = 0.25, 0.25, 0.5  # of the authors' demo


@dataclass(frozen=True)
class FoundBox:
    """One place where words were found.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the picture.
        score: in (0, 1), how sure the model is of the box.
        phrase: which of the phrases asked for it is; empty where no phrase alone passes the text threshold.
    """

    box: tuple[float, float, float, float]
    score: float
    phrase: str


@dataclass(frozen=True)
class FoundBoxes(Sequence[FoundBox]):
    """What was found, the best first; false when that is nothing.

    Attributes:
        boxes: that passed.
        best_score: of all boxes, passed or not.
        text: that was asked for, as the model got it.
    """

    boxes: tuple[FoundBox, ...]
    best_score: float
    text: str

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index):
        return self.boxes[index]

    def __str__(self) -> str:
        if not self.boxes:
            return f"nothing found for {self.text!r} (best score {self.best_score:.2f}); try other words, or give a box"
        told = (
            f"{found.phrase or '?'} {found.score:.2f} at {tuple(round(v) for v in found.box)}" for found in self.boxes
        )
        return "; ".join(told)


@dataclass(frozen=True, eq=False)
class Grounding:
    """A text model that is ready to run.

    Attributes:
        name: the model's, from the graph's metadata.
        folder: where it came from.
        provider: the execution provider that really runs it.
        note: one sentence for people on why that provider; empty when there is nothing to say.
        canvas: how it wants its pictures.
    """

    name: str
    folder: Path
    provider: str
    note: str
    canvas: Canvas
    session: ort.InferenceSession
    tokenizer: Tokenizer

    @classmethod
    def load(
        cls, folder: str | os.PathLike | None = None, device: runtime.Device = "auto", threads: int | None = None
    ) -> Grounding:
        """Load what `python -m export grounding` wrote.

        Args:
            folder: holds `grounding.onnx` and `tokenizer.json`; None for the place where the export puts them.
            device: "cpu"; "cuda", an error if it cannot be had; "auto", CUDA if there is a driver for it, else the CPU.
            threads: CPU threads; None lets onnxruntime choose.

        Raises:
            GraphError: there is no such model, it is of another version, `tokenizers` is missing, or CUDA was asked for in vain.
        """
        folder = _default_folder() if folder is None else Path(folder)
        path, words = folder / contract.GROUNDING.file, folder / TOKENIZER
        missing = [file.name for file in (path, words) if not file.is_file()]
        if missing:
            raise GraphError(
                f"words need a text model, and {folder} lacks {' and '.join(missing)}. Get it once with `python -m export "
                "grounding --model tiny` (needs torch and transformers), or name the folder of an exported one."
            )
        tokenizer = _tokenizer(words)
        (session,), provider, note = runtime.open_sessions([path], device, threads)
        stamp = _checked_stamp(session, path)
        return cls(stamp["mam_variant"], folder, provider, note, Canvas.from_stamp(stamp), session, tokenizer)

    def find(
        self,
        pixels: np.ndarray,
        text: str | Sequence[str],
        *,
        box_threshold: float = BOX_THRESHOLD,
        text_threshold: float = TEXT_THRESHOLD,
        nms: float = NMS,
    ) -> FoundBoxes:
        """Find words in a picture.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            text: one phrase ("the girl in the red sweater, on the left"), or several: parted by full stops, or as a list.
            box_threshold: boxes need a higher score.
            text_threshold: a box is named after its best phrase only if that scores higher; no box is dropped by it, nor by
                the authors' code, where it decides which tokens make up a box's name.
            nms: of two boxes of one phrase with a higher IoU the surer one stays.

        Raises:
            PromptError: no words, words that the model does not know, or too many.
            GraphError: the graph failed.
        """
        phrases = Phrases.of(text, self.tokenizer)
        image, pixel_mask = self.canvas.feed(pixels)
        logits, boxes = self._run(image, pixel_mask, phrases.input_ids, phrases.position_ids, phrases.text_mask)
        return choose(
            logits[0],
            boxes[0],
            phrases,
            pixels.shape[:2],
            box_threshold=box_threshold,
            text_threshold=text_threshold,
            nms=nms,
        )

    def _run(self, *values: np.ndarray) -> list[np.ndarray]:
        graph = contract.GROUNDING
        feed = {tensor.name: value for tensor, value in zip(graph.inputs, values, strict=True)}
        try:
            return self.session.run([tensor.name for tensor in graph.outputs], feed, runtime.tidy())
        except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
            raise GraphError(f"{self.folder / graph.file} failed on {self.provider}: {error}") from error


@dataclass(frozen=True)
class Canvas:
    """How a graph wants its pictures: shrunk or enlarged, normalised, top left in a square of zeros.

    Attributes:
        side: of the square, and the longest side that a picture gets.
        shortest: side that a picture gets if the longest then fits.
        mean, std: per channel, of values in [0, 1].
    """

    side: int = 1333
    shortest: int = 800
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def size(self, original: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of a picture -> (h, w) on the canvas, both at least 1.

        Source: transformers/image_transforms.py, `get_size_with_aspect_ratio`, rounded as there.
        """
        low, high = min(original), max(original)
        exact = self.shortest if high / low * self.shortest <= self.side else self.side * low / high
        short, long = max(1, round(exact)), max(1, int(exact * high / low))
        return (long, short) if original[0] > original[1] else (short, long)

    def feed(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 -> image (1, 3, side, side) float32, and (1, side, side) bool, true where the picture lies."""
        h, w = self.size(pixels.shape[:2])
        small = np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR), np.float32) / 255
        image = np.zeros((1, 3, self.side, self.side), np.float32)
        image[0, :, :h, :w] = ((small - np.float32(self.mean)) / np.float32(self.std)).transpose(2, 0, 1)
        mask = np.zeros((1, self.side, self.side), bool)
        mask[0, :h, :w] = True
        return image, mask

    def stamp(self) -> dict[str, str]:
        """As metadata of a graph."""
        return {
            "mam_side": str(self.side),
            "mam_shortest": str(self.shortest),
            "mam_pixel_mean": ",".join(map(str, self.mean)),
            "mam_pixel_std": ",".join(map(str, self.std)),
        }

    @classmethod
    def from_stamp(cls, stamp: dict[str, str]) -> Canvas:
        """Back from metadata."""
        mean, std = (tuple(map(float, stamp[f"mam_pixel_{kind}"].split(","))) for kind in ("mean", "std"))
        return cls(int(stamp["mam_side"]), int(stamp["mam_shortest"]), mean, std)


@dataclass(frozen=True, eq=False)
class Phrases:
    """Words as the graph takes them: [CLS] a phrase . another . [SEP]

    Attributes:
        names: the phrases, as the user wrote them but for case and spaces.
        owner: (T,) which phrase each token belongs to; -1 for what stands between them.
        input_ids: (1, T) int64.
        position_ids: (1, T) int64, which start anew with every phrase.
        text_mask: (1, T, T) bool: tokens see their own phrase and its full stop.
    """

    names: tuple[str, ...]
    owner: np.ndarray
    input_ids: np.ndarray
    position_ids: np.ndarray
    text_mask: np.ndarray

    @classmethod
    def of(cls, text: str | Sequence[str], tokenizer: Tokenizer) -> Phrases:
        """Tokens of phrases; the same phrase twice counts once.

        Raises:
            PromptError: as `Grounding.find`.
        """
        names = split(text)
        stop = tokenizer.token_to_id(".")
        blocks = [[tokenizer.token_to_id("[CLS]")]]
        for name in names:
            ids = tokenizer.encode(name, add_special_tokens=False).ids
            if not set(ids) - {tokenizer.token_to_id("[UNK]")}:
                raise PromptError(f"the model knows no word of {name!r}; try other words, in English.")
            blocks.append([*ids, stop])
        blocks.append([tokenizer.token_to_id("[SEP]")])
        lengths = [len(block) for block in blocks]
        if sum(lengths) > MAX_TOKENS:
            raise PromptError(
                f"the text has {sum(lengths)} tokens (words, parts of words and marks); the model reads {MAX_TOKENS}."
            )
        block_of = np.repeat(np.arange(len(blocks)), lengths)
        ids = np.concatenate(blocks).astype(np.int64)
        between = (block_of == 0) | (block_of == len(names) + 1) | (ids == stop)
        positions = np.concatenate([np.arange(length) for length in lengths])
        return cls(
            names,
            np.where(between, -1, block_of - 1),
            ids[None],
            positions[None],
            (block_of[:, None] == block_of)[None],
        )

    @property
    def text(self) -> str:
        """All phrases in one line, as the model reads them."""
        return ". ".join(self.names) + "."


def split(text: str | Sequence[str]) -> tuple[str, ...]:
    """Phrases of a text: parted by full stops and question marks, where the model parts them too; commas stay inside.

    Strings of a list are one phrase each, and such marks in them become spaces.

    Raises:
        PromptError: there is no phrase, or one without a letter or digit.
    """
    whole = isinstance(text, str)
    if not whole and not (isinstance(text, Sequence) and all(isinstance(part, str) for part in text)):
        raise PromptError(f"the text is {text!r}; expected a string, or a list of strings, one phrase each.")
    parts = re.split(r"[.?]", text) if whole else [re.sub(r"[.?]", " ", part) for part in text]
    phrases = [" ".join(part.lower().split()) for part in parts]
    phrases = [phrase for phrase in phrases if phrase] if whole else phrases
    for phrase in phrases or [""]:
        if not any(character.isalnum() for character in phrase):
            raise PromptError(
                f"the text {text!r} holds a phrase without words; say what to look for: 'the girl in the red sweater'."
            )
    return tuple(dict.fromkeys(phrases))


def choose(
    logits: np.ndarray,
    boxes: np.ndarray,
    phrases: Phrases,
    size: tuple[int, int],
    *,
    box_threshold: float,
    text_threshold: float,
    nms: float,
) -> FoundBoxes:
    """The boxes that pass, the surest first. A box's score is its best token's; its phrase, the one with the best token.

    Args:
        logits: (Q, T). boxes: (Q, 4) cx, cy, w, h in parts of the picture. size: (H, W) of the picture.
        box_threshold, text_threshold, nms: as `Grounding.find`.
    """
    with np.errstate(over="ignore"):  # exp of a large number is infinity, which is right here
        chances = 1 / (1 + np.exp(-logits))
    scores = chances.max(1)
    by_phrase = np.stack([chances[:, phrases.owner == k].max(1) for k in range(len(phrases.names))], 1)
    which = by_phrase.argmax(1)
    corners = _corners(boxes, size)
    found: list[FoundBox] = []
    kept: dict[int, list[np.ndarray]] = {}
    for i in np.argsort(-scores, kind="stable"):
        if not scores[i] > box_threshold:
            break
        same = kept.setdefault(int(which[i]), [])
        if all(_iou(corners[i], other) <= nms for other in same):
            same.append(corners[i])
            named = by_phrase[i, which[i]] > text_threshold
            found.append(
                FoundBox(tuple(corners[i].tolist()), float(scores[i]), phrases.names[which[i]] if named else "")
            )
    return FoundBoxes(tuple(found), float(scores.max()), phrases.text)


def _corners(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(Q, 4) cx, cy, w, h in parts of a picture of (H, W) -> x0, y0, x1, y1 in its pixels, cut at its edges, a pixel at least."""
    scale = np.array(size[::-1], np.float64)
    low = np.clip((boxes[:, :2] - boxes[:, 2:] / 2) * scale, 0, scale - 1)
    high = np.clip((boxes[:, :2] + boxes[:, 2:] / 2) * scale, low + 1, scale)
    return np.concatenate([low, high], 1)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    w, h = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return w * h / (sum(areas) - w * h)


@functools.cache
def installed() -> Grounding:
    """The text model in its usual place, loaded once.

    Raises:
        GraphError: as `Grounding.load`.
    """
    return Grounding.load()


def _default_folder() -> Path:
    """Where the export puts a model: the smaller one unless only the larger is there."""
    folders = [weights.exported_to(name) for name in MODELS]
    return next((folder for folder in folders if (folder / contract.GROUNDING.file).exists()), folders[0])


def _tokenizer(file: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise GraphError("words need the package tokenizers: pip install tokenizers") from None
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise GraphError(f"{file} is no tokenizer ({error}); export the model again.") from error
    lacking = [token for token in ("[CLS]", "[SEP]", "[UNK]", ".") if tokenizer.token_to_id(token) is None]
    if lacking:
        raise GraphError(
            f"{file} knows no {' '.join(lacking)}; expected the tokenizer of BERT that the model was trained with."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _checked_stamp(session: ort.InferenceSession, path: Path) -> dict[str, str]:
    stamp = session.get_modelmeta().custom_metadata_map
    wanted = {"mam_graph": contract.GROUNDING.name, "mam_contract": contract.VERSION}
    got = {key: stamp.get(key) for key in wanted}
    if got != wanted:
        raise GraphError(
            f"{path} is stamped {got}; expected {wanted}. Export it again with `python -m export grounding`."
        )
    return stamp
