"""Matting by prompts: a loaded model, an encoded image, and the matte of one object. Read this file first.

    Matting   the three graphs, loaded
      .open() -> Scene    one image, encoded once; prompts are cheap from here on
        .find() -> FoundBoxes    the boxes of objects named by a text prompt
        .matte() -> Matte    one object: its alpha in full resolution, its mask, cut-outs and composites

Calls do not depend on earlier ones: a correction takes the previous `Matte` as an argument. A scene only keeps the
last crop that it encoded.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from mam import crops
from mam.contract import EMBEDDING, MASK_SIDE
from mam.crops import Crop
from mam.errors import GraphError, PromptError
from mam.frames import SIDE, Frame, to_input_image
from mam.grounding import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBoxes, Grounding, load_default
from mam.images import MAX_PIXELS, ImageSource, Photo, open_photo
from mam.matte import Matte, NothingFound
from mam.prompts import CheckedPrompt, Prompt
from mam.runtime import Device, Embeddings, Graphs, load_graphs
from mam.segment import Segment
from mam.variants import VARIANTS
from mam.weights import graphs_folder

BUNDLE = Path(__file__).parent / "bundle"
Guidance = Literal["alpha", "mask"]


@dataclass(frozen=True, eq=False)
class Matting:
    """A loaded model. `grounding` returns the text model, which is loaded when it is first needed."""

    graphs: Graphs
    max_pixels: int = MAX_PIXELS
    grounding: Callable[[], Grounding] = load_default

    @classmethod
    def load(
        cls,
        graphs: str | os.PathLike | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
        grounding: str | os.PathLike | None = None,
    ) -> Matting:
        """Load a set of graphs, by default the embedded `tiny`.

        Args:
            graphs: a folder that `python -m export graphs` wrote, or the name of a variant exported by
                `python -m export prepare`; None for the included model.
            device: "auto", "cpu" or "cuda".
            threads: CPU threads per graph; None lets onnxruntime choose.
            max_pixels: larger images are refused before they are decoded.
            grounding: a folder that `python -m export grounding` wrote, for text prompts; None for its default folder.

        Raises:
            GraphError: the folder is not a complete set of this contract, or CUDA was requested and cannot be used.
        """
        text_model = functools.cache(lambda: Grounding.load(grounding, device, threads))
        return cls(load_graphs(folder_of(graphs), device, threads), max_pixels, text_model)

    def open(self, image: ImageSource) -> Scene:
        """Open an image and encode it: the slow step, done once for all prompts.

        Args:
            image: a path, a file's bytes, a PIL image, or an array; see `mam.images.open_photo`.

        Raises:
            InputError, ImageTooLarge, FileNotFoundError: the image cannot be used.
        """
        return Scene.encoded(self.graphs, open_photo(image, self.max_pixels), self.grounding)


def folder_of(graphs: str | os.PathLike | None) -> Path:
    """Return the folder of the graphs for `Matting.load`; an existing folder comes before a variant of the same name.

    Raises:
        GraphError: the variant has not been exported yet.
    """
    name = "tiny" if graphs is None else str(graphs)
    if name not in VARIANTS or (graphs is not None and Path(name).is_dir()):
        return Path(name)
    folder = BUNDLE if name == "tiny" else graphs_folder(name)
    if not folder.exists():
        raise GraphError(
            f"{name} is not ready in {folder}; `python -m export prepare --variant {name}` downloads and exports it."
        )
    return folder


@dataclass(frozen=True, eq=False)
class Scene:
    """One encoded image.

    Attributes:
        graphs: the model.
        photo: the image, (H, W, 3) uint8 RGB in `photo.pixels`.
        frame: its sizes in the original and the input frame.
        input_image: (1, 3, 1024, 1024) float32, the image in the input frame.
        image_embeddings: (1, 256, 64, 64) float32.
        grounding: returns the text model.
    """

    graphs: Graphs
    photo: Photo
    frame: Frame
    input_image: np.ndarray
    image_embeddings: Embeddings
    grounding: Callable[[], Grounding] = field(default=load_default, repr=False)
    _parts: dict[Crop, Scene] = field(default_factory=dict, repr=False)

    @classmethod
    def encoded(cls, graphs: Graphs, photo: Photo, grounding: Callable[[], Grounding] = load_default) -> Scene:
        """Encode an image."""
        frame = Frame.of(photo.size)
        image = to_input_image(photo.pixels, frame)
        return cls(graphs, photo, frame, image, graphs.encode(image), grounding)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the pixels and embeddings take, including one encoded crop."""
        own = self.photo.pixels.nbytes + self.input_image.nbytes + 4 * math.prod(EMBEDDING)
        return own + (own if self.graphs.policy.crop_margin is not None else 0)

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
            box_threshold: as in `mam.grounding.Grounding.find`; the defaults are those of the authors' demo.
            text_threshold: the same.
            nms: the same.

        Raises:
            PromptError: the text is empty, too long, or unknown to the model.
            GraphError: there is no text model; the message explains how to get one.
        """
        thresholds = {"box_threshold": box_threshold, "text_threshold": text_threshold, "nms": nms}
        return self.grounding().find(self.photo.pixels, text, **thresholds)

    def matte(
        self,
        *,
        text: str | Sequence[str] | None = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[int] | None = None,
        scribbles: Sequence[Sequence[Sequence[float]]] = (),
        scribble_labels: Sequence[int] | None = None,
        mask: np.ndarray | None = None,
        previous: Matte | None = None,
        guidance: Guidance = "alpha",
    ) -> Matte | NothingFound:
        """Cut out one object. All kinds of prompts may be mixed; coordinates are (x, y) in pixels of the image.

        Args:
            text: a description of the object, used instead of a box: the best box of `find` is taken.
            box: (x0, y0, x1, y1).
            points: (N, 2) clicks.
            labels: (N,) 1 foreground, 0 background; all 1 if left out.
            scribbles: strokes of shape (K, 2).
            scribble_labels: 1 or 0 for each stroke; all 1 if left out.
            mask: (H, W) bool, a rough mask.
            previous: the matte to correct; pass the earlier prompts again together with the new ones.
            guidance: "alpha" for the one object of an image (softer), "mask" for one of several that touch.

        Returns:
            The matte, or `NothingFound` (which is false) when the model finds no object there.

        Raises:
            PromptError: the prompt does not fit this image.
            GraphError: there is a text, but no text model.
        """
        if previous is not None and previous.photo.size != self.photo.size:
            raise PromptError(
                f"previous is a matte of a picture of {previous.photo.size}, this one is {self.photo.size}."
            )
        if text is not None:
            if box is not None:
                raise PromptError("both text and a box were given; the text stands for a box: choose one.")
            found = self.find(text)
            if not found:
                return NothingFound(found.best_score, found.text)
            box = found[0].box
        before = None if previous is None else previous.segment
        prompt = Prompt(box, points, labels, scribbles, scribble_labels, mask, before)
        return self.mattes([prompt], guidance=guidance)[0]

    def mattes(
        self, prompts: Sequence[Prompt], *, guidance: Guidance = "alpha", recrop: bool = True
    ) -> list[Matte | NothingFound]:
        """Cut out several objects, one per prompt, in the prompts' order; `recrop` as for `segment`.

        Raises:
            PromptError: a prompt does not fit this image; the message counts prompts from 1.
        """
        if guidance not in ("alpha", "mask"):
            raise PromptError(f"guidance is {guidance!r}; expected 'alpha' (one object) or 'mask' (one of several).")
        return [self.refine(segment, guidance) for segment in self.segment(prompts, recrop=recrop)]

    def segment(self, prompts: Sequence[Prompt], *, recrop: bool = True) -> list[Segment]:
        """Return SAM's masks without mattes, one segment per prompt.

        Args:
            prompts: one per object.
            recrop: let a model with a crop policy encode the part of the image around a box or an earlier mask again,
                which costs an encoding; False uses the whole image, which is encoded already.

        Raises:
            PromptError: as `mattes`.
        """
        checked = self._checked(prompts)
        parts = [self._crop_for(prompt, recrop) for prompt in checked]
        here = [i for i, crop in enumerate(parts) if crop == self._whole]
        segments = dict(zip(here, self._answer([checked[i] for i in here], self._whole)))
        for i in here if recrop and self.graphs.policy.crop_margin is not None else ():
            if checked[i].ambiguous and checked[i].box is None:
                segments[i] = self._near_click(checked[i], segments[i])
        for i, crop in enumerate(parts):
            if i not in segments:
                segments[i] = self._segment_crop(checked[i], crop)
        return [segments[i] for i in range(len(checked))]

    def alternatives(self, segment: Segment) -> list[Segment]:
        """Return SAM's four candidates for one prompt: the single answer, then a part, a larger part and the whole."""
        x0, y0, x1, y1 = segment.crop
        frame = Frame.of((y1 - y0, x1 - x0))
        masks = (_full_size(logits, frame) > 0 for logits in segment.low_res_masks)
        return [
            replace(segment, chosen=k, mask=crops.place(mask, segment.crop, self.photo.size))
            for k, mask in enumerate(masks)
        ]

    def refine(self, segment: Segment, guidance: Guidance = "alpha") -> Matte | NothingFound:
        """Return the matte of one of this scene's segments, such as one of its `alternatives`."""
        if not segment.mask.any():
            return NothingFound(float(segment.scores.max()))
        seen = self._encoded_crop(segment.crop)
        alpha = self.graphs.matte(
            seen.input_image,
            seen.image_embeddings,
            segment.logits[None, None],
            seen.frame.input_size,
            seen.frame.original_size,
            guidance == "mask",
        )
        return Matte(self.photo, crops.place(alpha[0, 0], segment.crop, self.photo.size), segment)

    def _near_click(self, prompt: CheckedPrompt, found: Segment) -> Segment:
        """Segment a single click in a crop around it too, as its object may be small; keep the higher score."""
        crop = crops.around_click(prompt.points[0], self.photo.size)
        nearer = self._segment_crop(prompt, crop)
        x0, y0, x1, y1 = crop
        if crops.cut_off(nearer.mask[y0:y1, x0:x1], crop, self.photo.size) or not nearer.mask.any():
            return found
        return max(found, nearer, key=lambda segment: segment.score)

    def _segment_crop(self, prompt: CheckedPrompt, crop: Crop) -> Segment:
        """Segment one prompt in a crop of the image and place the mask on the whole image."""
        (found,) = self._encoded_crop(crop)._answer([prompt], crop)
        return replace(found, mask=crops.place(found.mask, crop, self.photo.size))

    def _checked(self, prompts: Sequence[Prompt]) -> list[CheckedPrompt]:
        checked = []
        for number, prompt in enumerate(prompts, 1):
            try:
                checked.append(prompt.checked(self.photo.size))
            except PromptError as error:
                raise PromptError(f"prompt {number}: {error}" if len(prompts) > 1 else str(error)) from None
        return checked

    def _answer(self, prompts: list[CheckedPrompt], crop: Crop) -> list[Segment]:
        """Segment from this scene's own embedding; `crop` is the part of the prompts' image that this scene holds."""
        segments: dict[int, Segment] = {}
        # SAM has no neutral padding beside a box, so only prompts with equally many points share a call.
        arrays = [prompt.to_input(self.frame, crop) for prompt in prompts]
        for count in {len(coords) for coords, *_ in arrays}:
            members = [i for i, (coords, *_) in enumerate(arrays) if len(coords) == count]
            batch = [np.stack(values) for values in zip(*(arrays[i] for i in members))]
            for i, masks, scores in zip(members, *self.graphs.decode(self.image_embeddings, *batch)):
                # MAM's rule for a single box or click; mask 0, as SAM advises, for richer prompts.
                choose = prompts[i].ambiguous and self.graphs.policy.multimask
                chosen = _best_candidate(masks, scores, *arrays[i][:2], 1 + int(scores[1:].argmax()) if choose else 0)
                segments[i] = Segment(_full_size(masks[chosen], self.frame) > 0, chosen, masks, scores, crop)
        return [segments[i] for i in range(len(prompts))]

    @property
    def _whole(self) -> Crop:
        return crops.whole(self.photo.size)

    def _crop_for(self, prompt: CheckedPrompt, recrop: bool) -> Crop:
        margin = self.graphs.policy.crop_margin
        if not recrop or margin is None:
            return self._whole
        belongs = prompt.points[prompt.labels == 1]
        return crops.choose(prompt.box, prompt.mask, belongs, prompt.previous, self.photo.size, margin)

    def _encoded_crop(self, crop: Crop) -> Scene:
        """Return this scene, or an encoded crop of it; the last crop is kept, because corrections often reuse it."""
        if crop == self._whole:
            return self
        scene = self._parts.get(crop)
        if scene is None:
            x0, y0, x1, y1 = crop
            pixels = np.ascontiguousarray(self.photo.pixels[y0:y1, x0:x1])
            scene = Scene.encoded(self.graphs, replace(self.photo, pixels=pixels), self.grounding)
            self._parts.clear()
            self._parts[crop] = scene
        return scene


def _best_candidate(masks: np.ndarray, scores: np.ndarray, coords: np.ndarray, labels: np.ndarray, chosen: int) -> int:
    """Return the candidate with the fewest contradicted clicks; among equals the chosen one, else the best score.

    Args:
        masks: (4, 256, 256) logits.
        scores: (4,) predicted IoU.
        coords: (N, 2) point_coords, input frame.
        labels: (N,) point_labels.
        chosen: the candidate by the rules without clicks.
    """
    clicks = (labels == 0) | (labels == 1)
    x, y = np.clip(coords[clicks] * MASK_SIDE / SIDE, 0, MASK_SIDE - 1).astype(int).T
    wrong = ((masks[:, y, x] > 0) != (labels[clicks] == 1)).sum(1)
    if wrong[chosen] == wrong.min():
        return chosen
    return int(np.where(wrong == wrong.min(), scores, -np.inf).argmax())


def _full_size(logits: np.ndarray, frame: Frame) -> np.ndarray:
    """(256, 256) logits of the input frame -> (H, W), bilinear."""
    (h, w), (height, width) = frame.input_size, frame.original_size
    part = (0, 0, w * logits.shape[1] / SIDE, h * logits.shape[0] / SIDE)
    return np.asarray(Image.fromarray(logits).resize((width, height), Image.Resampling.BILINEAR, box=part))
