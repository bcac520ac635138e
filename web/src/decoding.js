// From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates.

/** @import { Mask, Segment, Size } from './types.d.ts' */

import { clamp, fullBox, maskBounds, padBox, place, sizeOf } from './boxes.js';
import { transferLogits } from './crops.js';
import { Frame, MASK_SIDE } from './frames.js';
import { labelRegions } from './regions.js';
import { sample } from './resample.js';

const MASK_PIXELS = MASK_SIDE * MASK_SIDE;
// The logistic model of doubt; mam/masks/segment.py says where its numbers come from.
const UNCERTAIN = 2;
const BIAS = 17.5;
const OF_SCORE = -21.9;
const OF_UNCERTAIN = 5.6;
const DOUBTFUL = 0.3;

/** Whether an answer is probably wrong: a mask of an IoU with the object under 0.8. @type {(segment: Segment) => boolean} */
export function isDoubtful({ mask, crop, logits, scores, chosen }) {
  const [h, w] = new Frame(crop).maskSize.map(Math.ceil);
  const inCrop = logits.filter((_, i) => i % MASK_SIDE < w && i < h * MASK_SIDE);
  const uncertain = inCrop.filter((value) => Math.abs(value) < UNCERTAIN).length;
  const inside = inCrop.filter((value) => value > 0).length;
  const evidence = BIAS + OF_SCORE * scores[chosen] + (OF_UNCERTAIN * uncertain) / Math.max(1, inside);
  return !mask.box || 1 / (1 + Math.exp(-evidence)) > DOUBTFUL;
}

/** @type {(graphs: any, encoded: any, prompt: import('./prompts.js').Prompt, size: Size) => Promise<Segment>} */
export async function decodePrompt(graphs, { frame, features }, prompt, size) {
  const input = prompt.toInput(frame);
  const { masks, scores } = await graphs.decode(features, input);
  const first = prompt.isAmbiguous && graphs.policy.multimask ? best([1, 2, 3], scores) : 0;
  const chosen = bestCandidate(masks, scores, input.coords, input.labels, first);
  const { points, labels } = prompt;
  const answer = { scores: scores.map((score) => clamp(score, 0, 1)), crop: frame.crop, points, labels };
  return segmentOf(masks, chosen, answer, size);
}

/**
 * A correction without what it took away from the previous mask, except the regions that a background click lies in.
 * @type {(segment: Segment, previous: Segment) => Segment}
 */
export function keepRest(segment, previous) {
  const { crop, logits, points, labels } = segment;
  const [x0, y0, x1, y1] = crop;
  const frame = new Frame(crop);
  const before = transferLogits(previous.logits, previous.crop, crop);
  const taken = Uint8Array.from(before, (value, i) => Number(value > 0 && logits[i] <= 0));
  const regions = labelRegions(taken, [MASK_SIDE, MASK_SIDE]);
  const stays = new Array(regions.count).fill(true);
  stays[0] = false;
  points.forEach(([x, y], i) => {
    if (labels[i] || x < x0 || x > x1 || y < y0 || y > y1) return;
    const [column, row] = Frame.toCell(frame.toInput([x, y]));
    for (let cell = 0; cell < 9; cell += 1) {
      // the edge may be in the cell beside it
      const [cx, cy] = [column - 1 + (cell % 3), row - 1 + Math.floor(cell / 3)];
      if (cx >= 0 && cx < MASK_SIDE) stays[regions.labels[cy * MASK_SIDE + cx]] = false;
    }
  });
  if (!stays.includes(true)) return segment;
  const masks = segment.lowResMasks.slice();
  const kept = logits.map((value, i) => (stays[regions.labels[i]] ? before[i] : value));
  masks.set(kept, segment.chosen * MASK_PIXELS);
  return segmentOf(masks, segment.chosen, segment, segment.mask.size);
}

/** The same answer with another of its four candidates. @type {(segment: Segment, index: number) => Segment} */
export const withCandidate = (segment, index) => segmentOf(segment.lowResMasks, index, segment, segment.mask.size);

function segmentOf(lowResMasks, chosen, { scores, crop, points, labels }, size) {
  const logits = lowResMasks.slice(chosen * MASK_PIXELS, (chosen + 1) * MASK_PIXELS);
  return { mask: fullSizeMask(logits, crop, size), chosen, logits, lowResMasks, scores, crop, points, labels };
}

/** The candidate that contradicts the fewest clicks; among equals the chosen one, else the best score. */
export function bestCandidate(masks, scores, coords, labels, chosen) {
  const wrong = [0, 1, 2, 3].map((k) => {
    const contradicts = (label, i) => {
      const [x, y] = Frame.toCell(coords[i]);
      return (label === 0 || label === 1) && masks[k * MASK_PIXELS + y * MASK_SIDE + x] > 0 !== (label === 1);
    };
    return labels.filter(contradicts).length;
  });
  const least = Math.min(...wrong);
  return wrong[chosen] === least
    ? chosen
    : best(
        [0, 1, 2, 3].filter((k) => wrong[k] === least),
        scores,
      );
}

const best = (indices, scores) => indices.reduce((one, other) => (scores[other] > scores[one] ? other : one));

/**
 * Where the logits of a crop, resized to its own pixels, are positive.
 * @type {(logits: Float32Array, crop: import('./types.d.ts').Box, size: Size) => Mask}
 */
export function fullSizeMask(logits, crop, size) {
  const [steps, square] = [
    new Frame(crop).maskSize.map((side, axis) => side / sizeOf(crop)[axis]),
    fullBox([MASK_SIDE, MASK_SIDE]),
  ];
  const positive = maskBounds(
    Uint8ClampedArray.from(logits, (value) => (value > 0 ? 255 : 0)),
    sizeOf(square),
  );
  if (!positive) return { values: new Uint8ClampedArray(size[0] * size[1]), box: null, size };
  // Only the pixels around positive logits are computed.
  const near = padBox(positive, 1, sizeOf(square)).map((value, i) => value / steps[1 - (i % 2)]);
  const [x0, y0, x1, y1] = padBox(
    [Math.floor(near[0]), Math.floor(near[1]), Math.ceil(near[2]), Math.ceil(near[3])],
    0,
    sizeOf(crop),
  );
  const [down, across] = [y0, x0].map((from, axis) => ({ start: from * steps[axis], step: steps[axis] }));
  const sampled = sample(logits, MASK_SIDE, [y1 - y0, x1 - x0], across, down);
  const part = Uint8ClampedArray.from(sampled, (value) => (value > 0 ? 255 : 0));
  const values = place(part, [x0 + crop[0], y0 + crop[1], x1 + crop[0], y1 + crop[1]], size);
  return { values, box: maskBounds(values, size), size };
}
