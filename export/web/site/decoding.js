// From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates. As mam/masks/decoding.py.

import { Patch, maskBounds } from './boxes.js';
import { Frame, MASK_SIDE, SIDE } from './frames.js';
import { reachedWindow, resize } from './pillow.js';

const MASK_PIXELS = MASK_SIDE * MASK_SIDE;

// The decoder's answer to one prompt. As mam/masks/segment.py.
export class Segment {
  constructor(fields) {
    Object.assign(this, fields); // storedMask, chosen, logits, lowResMasks, scores, crop, points, labels
  }

  get isEmpty() {
    return this.storedMask.isEmpty;
  }

  get score() {
    return this.scores[this.chosen];
  }
}

export async function decodePrompt(graphs, encoded, prompt, size) {
  const input = prompt.toInput(encoded.frame, encoded.box);
  const { masks, scores } = await graphs.decode(encoded.features, input);
  const first = prompt.isAmbiguous && graphs.policy.multimask ? best([1, 2, 3], scores) : 0;
  const chosen = bestCandidate(masks, scores, input.coords, input.labels, first);
  return segmentOf(masks, chosen, {
    lowResMasks: masks, scores: scores.map((score) => Math.min(Math.max(score, 0), 1)), crop: encoded.box,
    points: prompt.points, labels: prompt.labels,
  }, size);
}

export const candidates = (segment) => [0, 1, 2, 3].map((k) => (
  k === segment.chosen ? segment : segmentOf(segment.lowResMasks, k, segment, segment.storedMask.size)));

function segmentOf(masks, chosen, fields, size) {
  const { crop } = fields, logits = masks.slice(chosen * MASK_PIXELS, (chosen + 1) * MASK_PIXELS);
  const mask = fullSizeMask(logits, new Frame([crop[3] - crop[1], crop[2] - crop[0]]));
  const [x0, y0, x1, y1] = mask.box, moved = [x0 + crop[0], y0 + crop[1], x1 + crop[0], y1 + crop[1]];
  return new Segment({ ...fields, chosen, logits, storedMask: new Patch(mask.values, mask.isEmpty ? [0, 0, 0, 0] : moved, size) });
}

// The candidate that contradicts the fewest clicks; among equals the chosen one, else the best score.
export function bestCandidate(masks, scores, coords, labels, chosen) {
  const clamp = (value) => Math.trunc(Math.min(Math.max((value * MASK_SIDE) / SIDE, 0), MASK_SIDE - 1));
  const wrong = [0, 1, 2, 3].map((k) => labels.reduce((count, label, i) => {
    if (label !== 0 && label !== 1) return count;
    const [x, y] = coords[i].map(clamp);
    return count + ((masks[k * MASK_PIXELS + y * MASK_SIDE + x] > 0) !== (label === 1) ? 1 : 0);
  }, 0));
  const least = Math.min(...wrong);
  if (wrong[chosen] === least) return chosen;
  return best([0, 1, 2, 3].filter((k) => wrong[k] === least), scores);
}

const best = (indices, scores) => indices.reduce((one, other) => (scores[other] > scores[one] ? other : one));

// Where the logits, resized to the crop's own pixels, are positive, as a Patch.
export function fullSizeMask(logits, { inputSize: [h, w], originalSize: [height, width] }) {
  const part = [0, 0, (w * MASK_SIDE) / SIDE, (h * MASK_SIDE) / SIDE];
  const sizes = [[MASK_SIDE, MASK_SIDE], [height, width]], inner = maskBounds(isPositive(logits), sizes[0]) || [0, 0, 0, 0];
  const window = reachedWindow(inner, ...sizes, 'bilinear', part); // only there can it be positive
  const mask = isPositive(resize(logits, ...sizes, 'bilinear', 1, part, window));
  return Patch.within(mask, window, [height, width]);
}

function isPositive(logits) {
  const mask = new Uint8Array(logits.length);
  for (let i = 0; i < mask.length; i += 1) mask[i] = logits[i] > 0 ? 1 : 0;
  return mask;
}
