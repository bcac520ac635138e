"""Cut anything out of a picture, softly. Read this file first.

    Matting   the three graphs, loaded
      .open() -> Scene    one picture, encoded once; prompts are cheap from here on
        .find() -> FoundBoxes    where words are in it
        .matte() -> Matte    one object: its alpha at full size, its mask, cut-outs and composites

Everything is a value: nothing is remembered between calls, and the next round takes the previous `Matte`.
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
    """A model that is ready to run. `grounding` gives the text model, which is loaded when words are first asked for."""

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
            graphs: a folder that `python -m export graphs` wrote, or the name of a variant that `python -m export prepare` has
                made ready; None for the model that comes with the package.
            device: "auto", "cpu" or "cuda".
            threads: CPU threads per graph; None lets onnxruntime choose.
            max_pixels: larger pictures are refused before they are decoded.
            grounding: a folder that `python -m export grounding` wrote, for words; None for where it writes by default.

        Raises:
            GraphError: the folder is not a complete set of this contract, or CUDA was asked for in vain.
        """
        words = functools.cache(lambda: Grounding.load(grounding, device, threads))
        return cls(load_graphs(folder_of(graphs), device, threads), max_pixels, words)

    def open(self, image: ImageSource) -> Scene:
        """Open a picture and encode it, the slow step, once for all prompts.

        Args:
            image: a path, a file's bytes, a PIL image, or an array; see `mam.images.open_photo`.

        Raises:
            InputError, ImageTooLarge, FileNotFoundError: the picture cannot be used.
        """
        return Scene.encoded(self.graphs, open_photo(image, self.max_pixels), self.grounding)


def folder_of(graphs: str | os.PathLike | None) -> Path:
    """The folder that the graphs of `Matting.load` are in; a folder that is there comes before a variant of the same name.

    Raises:
        GraphError: a variant that is not ready yet.
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
    """One encoded picture.

    Attributes:
        graphs: what answers the prompts.
        photo: the picture, (H, W, 3) uint8 RGB in `photo.pixels`.
        frame: its sizes in the original and the input frame.
        input_image: (1, 3, 1024, 1024) float32, what the graphs see of it.
        image_embeddings: (1, 256, 64, 64) float32.
        grounding: gives the model that finds words.
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
        """Encode a picture."""
        frame = Frame.of(photo.size)
        image = to_input_image(photo.pixels, frame)
        return cls(graphs, photo, frame, image, graphs.encode(image), grounding)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the pixels and embeddings take, one closer crop included."""
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
        """Where words are in the picture, the surest box first; false, with the best score, when they are nowhere.

        Args:
            text: a phrase, "the girl in the red sweater"; or several, parted by full stops or in a list.
            box_threshold, text_threshold, nms: as `mam.grounding.Grounding.find`; the defaults are those of the authors' demo.

        Raises:
            PromptError: no words, words that the model does not know, or too many.
            GraphError: there is no text model; the message says how to get one.
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
        """Cut out one object. All kinds of prompts may be mixed; coordinates are (x, y) in pixels of the picture.

        Args:
            text: words for the object, which stand for the surest box that `find` finds; instead of a box.
            box: (x0, y0, x1, y1).
            points: (N, 2) clicks; labels: (N,) 1 belongs to it, 0 does not; all 1 if left out.
            scribbles: strokes of shape (K, 2); scribble_labels: one 1 or 0 each; all 1 if left out.
            mask: (H, W) bool, a rough mask.
            previous: the matte of the round before, when the new prompts correct it. Give all prompts again.
            guidance: "alpha" for the one object of a picture (softer), "mask" for one of several that touch.

        Returns:
            The matte, or `NothingFound` (which is false) when the model sees nothing there.

        Raises:
            PromptError: the prompt makes no sense for this picture.
            GraphError: there are words, but no text model.
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
            PromptError: a prompt makes no sense for this picture; the message counts prompts from 1.
        """
        if guidance not in ("alpha", "mask"):
            raise PromptError(f"guidance is {guidance!r}; expected 'alpha' (one object) or 'mask' (one of several).")
        return [self.refine(segment, guidance) for segment in self.segment(prompts, recrop=recrop)]

    def segment(self, prompts: Sequence[Prompt], *, recrop: bool = True) -> list[Segment]:
        """SAM's answer alone, one per prompt, without the matte.

        Args:
            prompts: one per object.
            recrop: let a model that is made for it crop closer at the part of the picture around a box or an earlier mask,
                which costs an encoding; False answers from what is encoded already.

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
        """SAM's four answers to one prompt: first its single one, then the object as a part, a larger part, or a whole."""
        x0, y0, x1, y1 = segment.crop
        frame = Frame.of((y1 - y0, x1 - x0))
        masks = (_full_size(logits, frame) > 0 for logits in segment.low_res_masks)
        return [
            replace(segment, chosen=k, mask=crops.place(mask, segment.crop, self.photo.size))
            for k, mask in enumerate(masks)
        ]

    def refine(self, segment: Segment, guidance: Guidance = "alpha") -> Matte | NothingFound:
        """The matte that grows from one of this scene's segments, such as one of its `alternatives`."""
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
        """One click says nothing of the object's size: of the whole picture and a crop around the click, the surer answer."""
        crop = crops.around_click(prompt.points[0], self.photo.size)
        nearer = self._segment_crop(prompt, crop)
        x0, y0, x1, y1 = crop
        if crops.cut_off(nearer.mask[y0:y1, x0:x1], crop, self.photo.size) or not nearer.mask.any():
            return found
        return max(found, nearer, key=lambda segment: segment.score)

    def _segment_crop(self, prompt: CheckedPrompt, crop: Crop) -> Segment:
        """The answer to one prompt from a part of the picture, placed on the whole."""
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
        """Answers from this scene's own embedding; `crop` says which part of the prompts' picture this scene shows."""
        segments: dict[int, Segment] = {}
        # SAM has no neutral padding beside a box, so only prompts with equally many points share a call.
        arrays = [prompt.to_input(self.frame, crop) for prompt in prompts]
        for count in {len(coords) for coords, *_ in arrays}:
            members = [i for i, (coords, *_) in enumerate(arrays) if len(coords) == count]
            batch = [np.stack(values) for values in zip(*(arrays[i] for i in members))]
            for i, masks, scores in zip(members, *self.graphs.decode(self.image_embeddings, *batch)):
                # MAM's rule for a single box or click; SAM's advice when there is more to go by.
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
        """This scene, or a part of it encoded on its own; the last part stays at hand, as rounds often stay with it."""
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
    """The chosen candidate, or the surest of those that disagree with fewer clicks: what a user says counts for more than
    what the model expects.

    Args:
        masks: (4, 256, 256) logits. scores: (4,). coords, labels: (N, 2), (N,) as the decoder got them, input frame.
        chosen: by the rules that know no clicks.
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
