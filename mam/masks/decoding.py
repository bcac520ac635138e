"""From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from mam.images.boxes import Patch
from mam.masks import crops
from mam.masks.components import label_regions
from mam.masks.encoded_crop import EncodedCrop
from mam.masks.prompts import CheckedPrompt
from mam.masks.segment import Segment
from mam.model.frames import MASK_SIDE, SIDE, Frame
from mam.model.steps import Graphs, decode

_MOST_TAKEN = 0.25  # of an object's area that the second background click after a box may remove
_BATCH = 16  # prompts that the decoder answers in one call, which bounds its memory


def decode_prompts(
    graphs: Graphs, encoded: EncodedCrop, prompts: list[CheckedPrompt], size: tuple[int, int]
) -> list[Segment]:
    """Segment one object per prompt.

    Args:
        graphs: the model.
        encoded: the crop that contains the objects.
        prompts: one per object, in pixels of the whole image.
        size: (H, W) of the whole image.

    Returns:
        One segment per prompt, in their order; masks are (H, W).
    """
    segments: dict[int, Segment] = {}
    arrays = [prompt.to_input(encoded.frame, sam2=graphs.policy.sam2) for prompt in prompts]
    for members in _batches([len(coords) for coords, *_ in arrays]):
        answers = decode(graphs, encoded.features, *map(np.stack, zip(*(arrays[i] for i in members), strict=True)))
        for i, masks, scores in zip(members, *answers, strict=True):
            # MAM's rule for a single box or click; mask 0, as SAM advises, for more than one prompt (SAM 2: for a box).
            answered = prompts[i].box is not None and graphs.policy.sam2
            multimask = prompts[i].is_ambiguous and graphs.policy.multimask and not answered
            coords, labels, *_ = arrays[i]
            chosen = best_candidate(masks, scores, coords, labels, 1 + int(scores[1:].argmax()) if multimask else 0)
            mask = full_size(masks[chosen], encoded.frame) > 0
            canvas = crops.place_on_canvas(mask, encoded.box, size)
            # SAM's predictions may exceed 1 slightly.
            clicks = prompts[i].points, prompts[i].labels
            segment = Segment.of(canvas, chosen, masks, scores.clip(0, 1), encoded.frame, *clicks)
            segments[i] = replace(segment, from_mask=bool(arrays[i][3]))
    return [segments[i] for i in range(len(prompts))]


def believe(prompt: CheckedPrompt, frame: Frame) -> Segment:
    """Return the mask of a prompt as its segment, in the frame of a crop, without asking the decoder."""
    assert prompt.mask is not None
    _, _, logits, _ = prompt.to_input(frame)
    believed = Segment.of(prompt.mask, 0, logits.repeat(4, 0), np.ones(4, np.float32), frame)
    return replace(believed, from_mask=True)


def correct(segment: Segment, previous: Segment, *, is_bounded: bool) -> Segment:
    """Apply `keep_rest`, and choose another candidate if the answer removes too much of the object.

    A box shows how large the object is, and the first background click may remove another object from it. If an answer
    to a later one removes over a quarter of the object, the decoder has usually lost it, so of the candidates that obey
    all clicks the one that removes the least is returned.

    Args:
        segment: the correction.
        previous: the answer of the round before, of the same image.
        is_bounded: whether the user gave a box.
    """
    best = keep_rest(segment, previous)
    before = crops.transfer_logits(previous.logits, previous.frame, segment.frame) > 0

    def taken(answer: Segment) -> float:
        return float((before & (answer.logits <= 0)).sum() / max(1, before.sum()))

    if not is_bounded or (segment.labels == 0).sum() < 2 or taken(best) <= _MOST_TAKEN:
        return best
    cells, labels = _clicks_in_crop(segment)
    x, y = cells.T
    others = [keep_rest(one, previous) for one in candidates(segment)]
    obedient = [one for one in others if ((one.logits[y, x] > 0) == (labels == 1)).all()]
    return min([best, *obedient], key=taken)


def keep_rest(segment: Segment, previous: Segment) -> Segment:
    """Return a correction that changes the previous mask only where clicks ask for it.

    What the correction takes away stays, except the connected regions with a background click in or beside them. Where
    foreground clicks add regions, it adds no region elsewhere that is larger than these together. So a click on a
    missing part adds it, and a click on a wrong part takes only that away, whatever the decoder answers.

    Args:
        segment: the correction; its clicks decide.
        previous: the answer of the round before, of the same image.
    """
    before = crops.transfer_logits(previous.logits, previous.frame, segment.frame)
    cells, labels = _clicks_in_crop(segment)
    taken = label_regions((before > 0) & (segment.logits <= 0))
    returns = ~_clicked(taken, cells[labels == 0])
    added = label_regions((before <= 0) & (segment.logits > 0))
    goes = np.zeros(added.max() + 1, bool)
    clicked = _clicked(added, cells[labels == 1])
    # What the earlier crop did not contain may be added anywhere.
    if clicked[1:].any() and crops.contains(previous.crop, segment.crop):
        areas = np.bincount(added.ravel())
        goes = ~clicked & (areas > areas[1:][clicked[1:]].sum())
    returns[0] = goes[0] = False
    changes = returns[taken] | goes[added]
    if not changes.any():
        return segment
    logits = np.where(changes, before, segment.logits)
    masks = segment.low_res_masks.copy()
    masks[segment.chosen] = logits
    return replace(_place(segment, logits), low_res_masks=masks)


def _clicks_in_crop(segment: Segment) -> tuple[np.ndarray, np.ndarray]:
    """Return the (N, 2) columns and rows of the clicks inside a segment's crop, and their labels."""
    x0, y0, x1, y1 = segment.crop
    inside = ((segment.points >= (x0, y0)) & (segment.points <= (x1, y1))).all(1)
    return _cells(segment.frame.to_input(segment.points[inside])), segment.labels[inside]


def _clicked(regions: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return whether one of N clicks, (N, 2) columns and rows, lies in or beside each region, bool by number."""
    clicked = np.zeros(regions.max() + 1, bool)
    x, y = cells.T
    # A click on the object's edge may lie in the cell beside the region.
    around = np.pad(regions, 1)
    for row, column in itertools.product(range(3), repeat=2):
        clicked[around[y + row, x + column]] = True
    return clicked


def _place(segment: Segment, logits: np.ndarray, chosen: int | None = None) -> Segment:
    """Return a segment with other logits, (256, 256) float32, in the same crop."""
    mask = full_size(logits, segment.frame) > 0
    canvas = crops.place_on_canvas(mask, segment.crop, segment.stored_mask.size)
    number = segment.chosen if chosen is None else chosen
    return replace(segment, chosen=number, logits=logits, stored_mask=Patch.of(canvas))


def _cells(coords: np.ndarray) -> np.ndarray:
    """Return the columns and rows of the mask, (N, 2) int, in which points of the input frame lie."""
    return np.clip(coords * MASK_SIDE / SIDE, 0, MASK_SIDE - 1).astype(int)


def _batches(counts: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of the prompts that share a call: SAM has no neutral point to fill up a shorter prompt with."""
    for count in sorted(set(counts)):
        alike = [i for i, own in enumerate(counts) if own == count]
        yield from (alike[first : first + _BATCH] for first in range(0, len(alike), _BATCH))


def candidates(segment: Segment) -> list[Segment]:
    """Return the decoder's four candidates for one prompt: the single answer, then a part, a larger part, the whole."""
    stored = segment.low_res_masks.astype(np.float32)
    return [segment if k == segment.chosen else _place(segment, stored[k], k) for k in range(len(stored))]


def best_candidate(masks: np.ndarray, scores: np.ndarray, coords: np.ndarray, labels: np.ndarray, chosen: int) -> int:
    """Return the candidate that contradicts the fewest clicks; among equals the chosen one, else the best score.

    Args:
        masks: (4, 256, 256) logits.
        scores: (4,) predicted IoU.
        coords: (N, 2) point_coords, input frame.
        labels: (N,) point_labels.
        chosen: the index of the candidate that would be taken if there were no clicks.
    """
    clicks = (labels == 0) | (labels == 1)
    x, y = _cells(coords[clicks]).T
    wrong = ((masks[:, y, x] > 0) != (labels[clicks] == 1)).sum(1)
    if wrong[chosen] == wrong.min():
        return chosen
    return int(np.where(wrong == wrong.min(), scores, -np.inf).argmax())


def full_size(logits: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize (256, 256) logits of the input frame to the crop's own pixels, (h, w), bilinearly."""
    (h, w), (height, width) = frame.mask_size, frame.original_size
    return np.asarray(Image.fromarray(logits).resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, w, h)))
