"""An encoded image: from prompts to mattes."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from mam.compose.composition import limit_alpha
from mam.errors import PromptError
from mam.images import ImageSource, Photo
from mam.images.boxes import PixelBox, full_box, mask_bounds, pad_box
from mam.masks import crops
from mam.masks.alternatives import choose_alternatives
from mam.masks.automatic import EMPTY_PROMPT, embedded_graphs, find_main_object
from mam.masks.cleanup import clean_up
from mam.masks.clicks import obey_clicks
from mam.masks.decoding import believe, candidates, correct, decode_prompts
from mam.masks.encoded_crop import EncodedCrop
from mam.masks.painting import Stroke, paint
from mam.masks.prompts import CheckedPrompt, Prompt, check_prompts
from mam.masks.segment import Segment
from mam.masks.trimap import refine_edges
from mam.matte import Matte, NothingFound
from mam.model import steps
from mam.model.contract import EMBEDDING
from mam.model.frames import SIDE, Frame
from mam.model.matte_network import MatteNetwork
from mam.model.steps import Graphs
from mam.text import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBoxes, TextModel, load_default

Guidance = Literal["alpha", "mask"]

_CROPS_KEPT = 2  # encoded crops per scene, 17 MB each; corrections usually need the same one again


class Scene:
    """One encoded image. A pickle holds the image, which is encoded again when unpickled.

    Attributes:
        graphs: the model.
        photo: the image, (H, W, 3) uint8 RGB in `photo.pixels`.
        whole: the whole image, encoded.
        grounding: returns the model for text prompts.
        proposer: returns a model that proposes the main object to `graphs` that cannot find it; None if there is none.
        matte_network: computes mattes again; None keeps those of `graphs`.
    """

    def __init__(
        self,
        graphs: Graphs,
        photo: Photo,
        grounding: Callable[[], TextModel] = load_default,
        proposer: Callable[[], Graphs] | None = embedded_graphs,
        matte_network: MatteNetwork | None = None,
    ) -> None:
        """Encode a photo."""
        self.graphs, self.photo, self.grounding, self.proposer = graphs, photo, grounding, proposer
        self.matte_network = matte_network
        encode = functools.partial(EncodedCrop.encode, graphs, photo.srgb)
        self.whole = encode(full_box(photo.size))
        # Two threads that need the same new crop at the same time both encode it, which only costs time.
        self._encode_crop = functools.lru_cache(_CROPS_KEPT)(encode)

    def __repr__(self) -> str:
        return f"Scene({self.photo!r}, {self.graphs.variant})"

    def __reduce__(self) -> tuple[type[Scene], tuple[Any, ...]]:
        return Scene, (self.graphs, self.photo, self.grounding, self.proposer, self.matte_network)

    @property
    def nbytes(self) -> int:
        """The most memory that the pixels, the embeddings and the cached crops take, in bytes."""
        encoded = 3 * SIDE**2  # `EncodedCrop.resized`
        for name, values in self.whole.features.items():
            # The size of an array on a GPU is not known here; the encoder's largest output has twice the embedding's.
            encoded += 12 * SIDE**2 if name == "image" else getattr(values, "nbytes", 8 * math.prod(EMBEDDING))
        crops_kept = 0 if self.graphs.policy.crop_margin is None else _CROPS_KEPT
        copies = 1 if self.photo.srgb is self.photo.pixels else 2
        return self.photo.nbytes + (copies - 1) * self.photo.pixels.nbytes + (1 + crops_kept) * encoded

    def find(
        self,
        text: str | Sequence[str],
        *,
        box_threshold: float = BOX_THRESHOLD,
        text_threshold: float = TEXT_THRESHOLD,
        nms: float = NMS_THRESHOLD,
    ) -> FoundBoxes:
        """Find the boxes of objects named by a text, best score first.

        The result is false when there are none; it then gives the best score below the threshold.

        Args:
            text: a phrase, "the girl in the red sweater"; or several, separated by full stops or in a list.
            box_threshold: as in `mam.text.Grounding.find`; the defaults are those of the authors' demo.
            text_threshold: the same.
            nms: the same.

        Raises:
            PromptError: the text is empty, too long, or unknown to the model; the message explains how to get one
                that reads any phrase.
            GraphError: the text model cannot be loaded.
        """
        thresholds = {"box_threshold": box_threshold, "text_threshold": text_threshold, "nms": nms}
        return self.grounding().find(self.photo.srgb, text, **thresholds)

    def matte(
        self,
        *,
        text: str | Sequence[str] | None = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[int] | None = None,
        scribbles: Sequence[Sequence[Sequence[float]]] = (),
        scribble_labels: Sequence[int] | None = None,
        mask: ImageSource | None = None,
        previous: Matte | NothingFound | None = None,
        guidance: Guidance = "alpha",
    ) -> Matte | NothingFound:
        """Cut out one object. All kinds of prompts may be mixed; coordinates are (x, y) in pixels of the image.

        Without any prompt, the main object is cut out.

        Args:
            text: a description of the object, used instead of a box: the best box of `find` is taken.
            box: (x0, y0, x1, y1).
            points: (N, 2) clicks.
            labels: (N,) 1 foreground, 0 background; all 1 if left out.
            scribbles: strokes of shape (K, 2).
            scribble_labels: 1 or 0 for each stroke; all 1 if left out.
            mask: a mask of the image's size: (H, W) bools or numbers, or anything that `mam.images.open_mask` opens.
                Without points and scribbles it is taken as it is; with them, as a rough mask that they correct.
            previous: the matte to correct; pass the earlier prompts again together with the new ones. Its strokes are
                applied to the new matte too. `NothingFound` counts as none.
            guidance: "alpha" for the one object of an image (softer), "mask" for one of several that touch.

        Returns:
            The matte, or `NothingFound` (which is false) when the model finds no object there.

        Raises:
            PromptError: the prompt does not fit this image.
            GraphError: there is a text, and the text model cannot be loaded.
        """
        if text is not None:
            if box is not None:
                raise PromptError("both text and a box were given; text replaces a box, so give only one of them.")
            found = self.find(text)
            if not found:
                return NothingFound(found.best_score, found.text)
            box = found[0].box
        if not isinstance(previous, (Matte, NothingFound, type(None))):
            raise PromptError(
                f"previous is of type {type(previous).__name__}; expected an earlier Matte of this image."
            )
        before = previous.segment if isinstance(previous, Matte) else None
        prompt = Prompt(box, points, labels, scribbles, scribble_labels, mask, before)
        if prompt.is_empty:
            return self.refine(self.find_main_object(), guidance)
        (matte,) = self.mattes([prompt], guidance=guidance)
        if isinstance(matte, Matte) and isinstance(previous, Matte):
            return matte.painted(previous.strokes)
        return matte

    def mattes(
        self, prompts: Sequence[Prompt], *, guidance: Guidance = "alpha", recrop: bool = True
    ) -> list[Matte | NothingFound]:
        """Cut out several objects, one per prompt, in the prompts' order; `recrop` as for `segment`.

        Raises:
            PromptError: a prompt does not fit this image; the message counts prompts from 1.
        """
        _check_guidance(guidance)
        segments = self._segment(check_prompts(prompts, self.photo.size), recrop)
        mattes = {i: self.refine(segment, guidance) for i, segment in segments}
        return [mattes[i] for i in range(len(prompts))]

    def segment(self, prompts: Sequence[Prompt], *, recrop: bool = True) -> list[Segment]:
        """Return masks without mattes, one segment per prompt.

        Args:
            prompts: one per object.
            recrop: let a model with a crop policy encode the part of the image around a box or an earlier mask again,
                which costs an encoding; False uses the whole image, which is encoded already.

        Raises:
            PromptError: as `mattes`.
        """
        segments = dict(self._segment(check_prompts(prompts, self.photo.size), recrop))
        return [segments[i] for i in range(len(prompts))]

    @property
    def needs_prompt(self) -> bool:
        """Whether neither the model nor a proposer finds the main object."""
        return not self.graphs.policy.main_object and self.proposer is None

    def find_main_object(self) -> Segment:
        """Return the mask of the main object, which needs no prompt; it is empty if there is none.

        A model that cannot find it segments the box that the proposer gives. Then the score is at most the proposer's,
        because the mask may be good but of the wrong object.

        Raises:
            PromptError: the model cannot find it, and there is no proposer.
        """
        if self.graphs.policy.main_object:
            return self._improve(EMPTY_PROMPT, find_main_object(self.graphs, self.whole))
        if self.proposer is None:
            raise PromptError("this model needs a prompt: a box, points, scribbles, a mask or a text.")
        proposer = self.proposer()
        proposal = find_main_object(proposer, EncodedCrop.encode(proposer, self.photo.srgb, self.whole.box))
        box = mask_bounds(proposal.mask)
        if box is None:
            return proposal
        (segment,) = self.segment([Prompt(box)])
        return replace(segment, scores=np.minimum(segment.scores, proposal.score))

    def alternatives(self, segment: Segment) -> dict[str, Segment]:
        """Return up to three other objects that a prompt may have meant: "part", "larger_part", "whole" and "more".

        Any two of them, and each of them and the segment, have an IoU under 0.9; names for which nothing is found are
        left out. They are the decoder's other candidates. If these are too much alike, the decoder of `tiny` is asked
        again: for parts around a click, and for more with a larger box. That costs up to three encodings.
        """
        others = [one for one in candidates(segment) if one.chosen != segment.chosen]
        return choose_alternatives(
            segment, itertools.chain(others, self._parts(segment)), itertools.chain(others, self._larger(segment))
        )

    def refine(
        self,
        segment: Segment,
        guidance: Guidance = "alpha",
        unknown: Sequence[Stroke] = (),
        matte_network: MatteNetwork | None = None,
    ) -> Matte | NothingFound:
        """Return the matte of one of this scene's segments, such as one of its `alternatives`.

        It obeys the clicks and scribbles that the segment answers: alpha is above 0.9 at those on the object and below
        0.1 at the others, and in the parts of the image around them (`mam.masks.clicks`).

        Args:
            segment: the mask.
            guidance: as for `matte`.
            unknown: strokes over pixels that ViTMatte computes in addition to soft edges, and around which SEMat's box
                is drawn; their effect is ignored.
            matte_network: computes the matte again, instead of the scene's; None for the scene's.

        Raises:
            PromptError: there are such strokes, but neither network.
        """
        _check_guidance(guidance)
        network = matte_network or self.matte_network
        if unknown and network is None:
            raise PromptError('strokes over the unknown need ViTMatte; load the model with matte="vitmatte".')
        if segment.is_empty:
            return NothingFound(float(segment.scores.max()))
        encoded = self._encoded(segment.crop)
        alpha = steps.matte(self.graphs, *encoded.matte_inputs([segment]), guidance == "mask")
        placed = crops.place_on_canvas(alpha[0, 0], segment.crop, self.photo.size)
        cues = self.photo.srgb, segment.mask, segment.points, segment.labels
        alpha = clean_up(placed, *cues)
        if network is not None:
            strokes = [replace(stroke, effect="restore") for stroke in unknown]
            painted, _ = paint(np.zeros(alpha.shape, np.float32), self.photo.srgb, strokes)
            alpha = refine_edges(network, alpha, self.photo.srgb, segment.mask, painted > 0)
        alpha = limit_alpha(obey_clicks(alpha, *cues), self.photo)
        # Of an image that is transparent there, nothing can be shown.
        return Matte.of(self.photo, alpha, segment) if alpha.any() else NothingFound(segment.score)

    def _segment(self, prompts: list[CheckedPrompt], recrop: bool) -> Iterator[tuple[int, Segment]]:
        """Segment crop by crop, yielding (index of the prompt, segment), so that each crop is encoded only once."""
        if self.graphs.policy.asks_again:
            prompts = [prompt.boxed(prompt.previous) for prompt in prompts]
        members: dict[PixelBox, list[int]] = {}
        for i, prompt in enumerate(prompts):
            crop = self._crop_for(prompt) if recrop else self.whole.box
            if prompt.is_believed:
                yield i, believe(prompt, Frame.of(crop, stretch=self.graphs.policy.sam2))
            else:
                members.setdefault(crop, []).append(i)
        for crop, indices in members.items():
            found = self._decode([prompts[i] for i in indices], crop)
            for i, segment in zip(indices, found, strict=True):
                yield i, self._improve(prompts[i], segment) if recrop else _correct(prompts[i], segment)

    def _improve(self, prompt: CheckedPrompt, found: Segment) -> Segment:
        """Ask the decoder again where its answer to a prompt shows that another crop or prompt gives a better one."""
        found = self._complete(prompt, self._zoom_on_click(prompt, found))
        if self.graphs.policy.asks_again and prompt.is_vague and not found.is_empty:
            again = prompt.boxed(found)
            (better,) = self._decode([again], self._crop_for(again))
            better = self._complete(again, better)
            found = found if better.is_empty else better
        return _correct(prompt, found)

    def _complete(self, prompt: CheckedPrompt, found: Segment) -> Segment:
        """Segment in larger crops, until the object does not continue beyond its crop."""
        while found.crop != self.whole.box and crops.is_cut_off(found.mask, found.crop):
            (found,) = self._decode([prompt], crops.enlarge(found.crop, self.photo.size))
        return found

    def _zoom_on_click(self, prompt: CheckedPrompt, found: Segment) -> Segment:
        """Segment a single click in a crop around it too, as its object may be small; keep the higher score.

        Not with SAM's three masks: in a crop, a part of the object often has a higher score than the object in the
        whole image.
        """
        if not self.graphs.policy.asks_again or not prompt.is_ambiguous or prompt.box is not None:
            return found
        crop = crops.crop_around_click(prompt.points[0], self.photo.size)
        (zoomed,) = self._decode([prompt], crop)
        if crops.is_cut_off(zoomed.mask, crop) or zoomed.is_empty:
            return found
        return max(found, zoomed, key=lambda segment: segment.score)

    def _parts(self, segment: Segment) -> Iterator[Segment]:
        """Yield parts of an answer around its only click: what a crop shows of it, with the edges of a larger crop."""
        if not self.graphs.policy.asks_again or len(segment.points) != 1 or not segment.labels.all():
            return
        size = self.photo.size
        for zoom in (1, 2):
            crop = crops.crop_around_click(segment.points[0], size, zoom)
            (found,) = self._decode([replace(EMPTY_PROMPT, points=segment.points, labels=segment.labels)], crop)
            bounds = mask_bounds(found.mask)
            if bounds:
                box = np.array(bounds, np.float64)
                around = CheckedPrompt(box, segment.points, segment.labels, None, found)
                yield self._decode([around], crops.enlarge(crop, size))[0]

    def _larger(self, segment: Segment) -> Iterator[Segment]:
        """Yield what may contain an answer to at most one click: the main object, and what a larger box shows."""
        bounds = mask_bounds(segment.mask)
        if not self.graphs.policy.asks_again or len(segment.points) > 1 or bounds is None:
            return
        if self.graphs.policy.main_object:
            yield find_main_object(self.graphs, self.whole)
        x0, y0, x1, y1 = bounds
        box = np.array(pad_box(bounds, max(x1 - x0, y1 - y0) // 2, self.photo.size), np.float64)
        prompt = CheckedPrompt(box, segment.points, segment.labels, None, None)
        (found,) = self._decode([prompt], self._crop_for(prompt))
        yield from candidates(self._complete(prompt, found))

    def _decode(self, prompts: list[CheckedPrompt], crop: PixelBox) -> list[Segment]:
        return decode_prompts(self.graphs, self._encoded(crop), prompts, self.photo.size)

    def _crop_for(self, prompt: CheckedPrompt) -> PixelBox:
        margin = self.graphs.policy.crop_margin
        if margin is None:
            return self.whole.box
        foreground = prompt.points[prompt.labels == 1]
        return crops.choose_crop(prompt.box, prompt.mask, foreground, prompt.previous, self.photo.size, margin)

    def _encoded(self, crop: PixelBox) -> EncodedCrop:
        return self.whole if crop == self.whole.box else self._encode_crop(crop)


def _correct(prompt: CheckedPrompt, found: Segment) -> Segment:
    if prompt.previous is None:
        return found
    return correct(found, prompt.previous, is_bounded=prompt.has_own_box)


PROMPTS = tuple(name for name in inspect.signature(Scene.matte).parameters if name not in ("self", "previous"))
"""The arguments of `Scene.matte` that describe one object, for tables and files of prompts."""


def _check_guidance(guidance: str) -> None:
    if guidance not in ("alpha", "mask"):
        raise PromptError(f"guidance is {guidance!r}; expected 'alpha' (one object) or 'mask' (one of several).")
