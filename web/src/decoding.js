// From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates.

/** @import { Box, Bytes, Mask, Segment, Size } from './types.d.ts' */

import { cellsIn, clamp, isSame, maskBounds, padBox, place, tabulate } from './boxes.js';
import { contains, transferLogits } from './crops.js';
import { Frame, MASK_SIDE } from './frames.js';
import { labelRegions, sumRegions } from './regions.js';
import { sample } from './resample.js';

/** @type {Size} */
const SQUARE = [MASK_SIDE, MASK_SIDE];
const MASK_PIXELS = MASK_SIDE * MASK_SIDE;
const MOST_TAKEN = 0.25; // of an object's area that the second background click after a box may remove
// The logistic model of doubt; mam/masks/segment.py says where its numbers come from.
const UNCERTAIN = 2;
const BIAS = 11.69;
const OF_SCORE = -14.59;
const OF_UNCERTAIN = 3.71;
const WITHOUT_MASK = -2.23;
const DOUBTFUL = 0.3;

/** Whether an answer is probably wrong: a mask of an IoU with the object under 0.8. @type {(segment: Segment) => boolean} */
export function isDoubtful({ mask, crop, logits, scores, chosen, fromMask }) {
  const [h, w] = new Frame(crop).maskSize.map(Math.ceil);
  const inCrop = logits.filter((_, i) => i % MASK_SIDE < w && i < h * MASK_SIDE);
  const uncertain = inCrop.filter((value) => Math.abs(value) < UNCERTAIN).length;
  const inside = inCrop.filter((value) => value > 0).length;
  const bias = fromMask ? BIAS : BIAS + WITHOUT_MASK;
  const evidence = bias + OF_SCORE * scores[chosen] + (OF_UNCERTAIN * uncertain) / Math.max(1, inside);
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
  const fromMask = input.hasMask === 1;
  const answer = { scores: scores.map((score) => clamp(score, 0, 1)), crop: frame.crop, points, labels, fromMask };
  return segmentOf(masks, chosen, answer, size);
}

/**
 * Applies `keepRest`. If the user gave a box, and an answer to a second background click removes over a quarter of the
 * object, of the candidates that obey all clicks the one that removes the least is returned.
 * @type {(segment: Segment, previous: Segment, isBounded: boolean) => Segment}
 */
export function correct(segment, previous, isBounded) {
  const best = keepRest(segment, previous);
  const { crop, points, labels } = segment;
  const before = transferLogits(previous.logits, previous.crop, crop);
  const inside = before.filter((value) => value > 0).length;
  const taken = ({ logits }) => before.filter((value, i) => value > 0 && logits[i] <= 0).length / Math.max(1, inside);
  if (!isBounded || labels.filter((label) => !label).length < 2 || taken(best) <= MOST_TAKEN) return best;
  const obeys = ({ logits }) =>
    points.every(([x, y], i) => {
      const [column, row] = Frame.toCell(new Frame(crop).toInput([x, y]));
      return !contains(crop, [x, y, x, y]) || logits[row * MASK_SIDE + column] > 0 === (labels[i] === 1);
    });
  const others = candidatesOf(segment).map((one) => keepRest(one, previous));
  return others.filter(obeys).reduce((least, one) => (taken(one) < taken(least) ? one : least), best);
}

/** A correction that changes the previous mask only where clicks ask for it. @type {(segment: Segment, previous: Segment) => Segment} */
export function keepRest(segment, previous) {
  const { crop, logits, points, labels } = segment;
  const before = transferLogits(previous.logits, previous.crop, crop);
  const regionsOf = (isIn) =>
    labelRegions(
      Uint8Array.from(before, (value, i) => Number(isIn(value, logits[i]))),
      SQUARE,
    );
  const inCrop = points.map(([x, y]) => contains(crop, [x, y, x, y]));
  const clicks = (label) => points.filter((_, i) => labels[i] === label && inCrop[i]);
  const taken = regionsOf((old, now) => old > 0 && now <= 0);
  const added = regionsOf((old, now) => old <= 0 && now > 0);
  const isAway = clickedRegions(taken, clicks(0), crop);
  const isMeant = clickedRegions(added, clicks(1), crop);
  const areas = sumRegions(added, () => 1);
  // Nothing is added elsewhere that is larger than what was clicked. What the earlier crop did not contain may be added.
  const isLimited = isMeant.includes(true, 1) && contains(previous.crop, crop);
  const most = isLimited ? areas.reduce((sum, area, label) => sum + (label && isMeant[label] ? area : 0), 0) : Infinity;
  const stays = (cell) => {
    const [lost, won] = [taken.labels[cell], added.labels[cell]];
    return (lost > 0 && !isAway[lost]) || (won > 0 && !isMeant[won] && areas[won] > most);
  };
  const kept = logits.map((value, cell) => (stays(cell) ? before[cell] : value));
  if (isSame(kept, logits)) return segment;
  const masks = segment.lowResMasks.slice();
  masks.set(kept, segment.chosen * MASK_PIXELS);
  return segmentOf(masks, segment.chosen, segment, segment.mask.size);
}

/** Whether a click lies in or beside each region: the edge may be in a cell beside it. */
function clickedRegions({ labels, count }, clicks, crop) {
  const found = new Array(count).fill(false);
  for (const click of clicks) {
    const [column, row] = Frame.toCell(new Frame(crop).toInput(click));
    const near = padBox([column, row, column + 1, row + 1], 1, SQUARE);
    for (const cell of cellsIn(near, MASK_SIDE)) found[labels[cell]] = true;
  }
  return found;
}

/** The answer's four candidates. @type {(segment: Segment) => Segment[]} */
export const candidatesOf = (segment) =>
  [0, 1, 2, 3].map((k) =>
    k === segment.chosen ? segment : segmentOf(segment.lowResMasks, k, segment, segment.mask.size),
  );

function segmentOf(lowResMasks, chosen, { scores, crop, points, labels, fromMask }, size) {
  const logits = lowResMasks.slice(chosen * MASK_PIXELS, (chosen + 1) * MASK_PIXELS);
  const mask = fullSizeMask(logits, crop, size);
  return { mask, chosen, logits, lowResMasks, scores, crop, points, labels, fromMask };
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
