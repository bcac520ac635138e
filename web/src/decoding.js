// From prompts to masks: run the mask decoder on an encoded crop and choose among its four candidates. As mam/masks/decoding.py.

import { Patch, maskBounds } from './boxes.js';
import { labelRegions } from './components.js';
import { transferLogits } from './crops.js';
import { Frame, MASK_SIDE, SIDE } from './frames.js';
import { reachedWindow, resize } from './pillow.js';

const MASK_PIXELS = MASK_SIDE * MASK_SIDE;
const UNCERTAIN = 2, BIAS = 17.5, OF_SCORE = -21.9, OF_UNCERTAIN = 5.6, DOUBTFUL = 0.3;

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

  get doubt() { // the estimated probability that the mask's IoU with the object is under 0.8
    const { crop: [x0, y0, x1, y1], logits } = this;
    const [h, w] = new Frame([y1 - y0, x1 - x0]).inputSize.map((side) => Math.ceil((side * MASK_SIDE) / SIDE));
    let uncertain = 0, inside = 0;
    for (let y = 0; y < h; y += 1) {
      for (let i = y * MASK_SIDE; i < y * MASK_SIDE + w; i += 1) {
        uncertain += Math.abs(logits[i]) < UNCERTAIN;
        inside += logits[i] > 0;
      }
    }
    return 1 / (1 + Math.exp(-(BIAS + OF_SCORE * this.score + (OF_UNCERTAIN * uncertain) / Math.max(1, inside))));
  }

  get isDoubtful() {
    return this.isEmpty || this.doubt > DOUBTFUL;
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

// A correction without what it took away from the previous mask, except the regions that a background click lies in.
export function keepRest(segment, previous) {
  const { crop, logits, points, labels } = segment, [x0, y0, x1, y1] = crop, frame = new Frame([y1 - y0, x1 - x0]);
  const before = transferLogits(previous.logits, previous.crop, crop);
  const taken = before.map((value, i) => (value > 0 && logits[i] <= 0 ? 1 : 0)), regions = labelRegions(Uint8Array.from(taken), [MASK_SIDE, MASK_SIDE]);
  const stays = new Array(regions.count).fill(true);
  stays[0] = false;
  points.forEach(([atX, atY], i) => {
    if (labels[i] || atX < x0 || atX > x1 || atY < y0 || atY > y1) return;
    const [column, row] = frame.toInput([atX - x0, atY - y0]).map(toCell);
    for (let y = Math.max(0, row - 1); y <= Math.min(MASK_SIDE - 1, row + 1); y += 1) { // the edge may be in the cell beside it
      for (let x = Math.max(0, column - 1); x <= Math.min(MASK_SIDE - 1, column + 1); x += 1) stays[regions.labels[y * MASK_SIDE + x]] = false;
    }
  });
  if (!stays.includes(true)) return segment;
  const masks = segment.lowResMasks.slice();
  masks.set(logits.map((value, i) => (stays[regions.labels[i]] ? before[i] : value)), segment.chosen * MASK_PIXELS);
  return segmentOf(masks, segment.chosen, { ...segment, lowResMasks: masks }, segment.storedMask.size);
}

export const candidates = (segment) => [0, 1, 2, 3].map((k) => (
  k === segment.chosen ? segment : segmentOf(segment.lowResMasks, k, segment, segment.storedMask.size)));

function segmentOf(masks, chosen, fields, size) {
  const { crop } = fields, logits = masks.slice(chosen * MASK_PIXELS, (chosen + 1) * MASK_PIXELS);
  const mask = fullSizeMask(logits, new Frame([crop[3] - crop[1], crop[2] - crop[0]]));
  const [x0, y0, x1, y1] = mask.box, moved = [x0 + crop[0], y0 + crop[1], x1 + crop[0], y1 + crop[1]];
  return new Segment({ ...fields, chosen, logits, storedMask: new Patch(mask.values, mask.isEmpty ? [0, 0, 0, 0] : moved, size) });
}

const toCell = (value) => Math.trunc(Math.min(Math.max((value * MASK_SIDE) / SIDE, 0), MASK_SIDE - 1)); // of the logits

// The candidate that contradicts the fewest clicks; among equals the chosen one, else the best score.
export function bestCandidate(masks, scores, coords, labels, chosen) {
  const wrong = [0, 1, 2, 3].map((k) => labels.reduce((count, label, i) => {
    if (label !== 0 && label !== 1) return count;
    const [x, y] = coords[i].map(toCell);
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
