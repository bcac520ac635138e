// From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates.

/** @import { Box, Bytes, Mask, Segment, Size } from './types.d.ts' */

import { cellsIn, clamp, maskBounds, padBox, place, tabulate } from './boxes.js';
import { transferLogits } from './crops.js';
import { Frame, MASK_SIDE } from './frames.js';
import { labelRegions } from './regions.js';
import { sample } from './resample.js';

/** @type {Size} */
const SQUARE = [MASK_SIDE, MASK_SIDE];
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
  const best = [1, 2, 3].sort((one, other) => scores[other] - scores[one])[0];
  const first = prompt.isAmbiguous && graphs.policy.multimask ? best : 0;
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
  const regions = labelRegions(taken, SQUARE);
  const stays = new Array(regions.count).fill(true);
  stays[0] = false;
  points.forEach(([x, y], i) => {
    if (labels[i] || x < x0 || x > x1 || y < y0 || y > y1) return;
    const [column, row] = Frame.toCell(frame.toInput([x, y]));
    // The edge may be in a cell beside it.
    const near = padBox([column, row, column + 1, row + 1], 1, SQUARE);
    for (const cell of cellsIn(near, MASK_SIDE)) stays[regions.labels[cell]] = false;
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
  const scoreOf = (k) => (k === chosen ? Infinity : scores[k]);
  return [0, 1, 2, 3].sort((one, other) => wrong[one] - wrong[other] || scoreOf(other) - scoreOf(one))[0];
}

/** Where the logits of a crop, resized to its own pixels, are positive. @type {(logits: Float32Array, crop: Box, size: Size) => Mask} */
export function fullSizeMask(logits, crop, size) {
  const { originalSize, maskSize } = new Frame(crop);
  const positive = maskBounds(isPositive(logits), SQUARE) || [0, 0, 0, 0];
  const steps = [1, 0].map((axis) => maskSize[axis] / originalSize[axis]);
  // Only there can it be positive.
  const near = /** @type {Box} */ (padBox(positive, 1, SQUARE).map((value, i) => Math.round(value / steps[i % 2])));
  const [x0, y0, x1, y1] = padBox(near, 0, originalSize);
  const [across, down] = [x0, y0].map((from, i) => ({ start: from * steps[i], step: steps[i] }));
  const sampled = sample(logits, MASK_SIDE, [y1 - y0, x1 - x0], across, down);
  const values = place(isPositive(sampled), [x0 + crop[0], y0 + crop[1], x1 + crop[0], y1 + crop[1]], size);
  return { values, box: maskBounds(values, size), size };
}

/** @type {(logits: Float32Array) => Bytes} */
const isPositive = (logits) => tabulate(new Uint8ClampedArray(logits.length), (i) => (logits[i] > 0 ? 255 : 0));
