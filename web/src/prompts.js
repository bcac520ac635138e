// Prompts for one object, checked and converted to the decoder's inputs. As mam/masks/prompts.py; a mask from a file is no prompt here.

import { boundsWithoutIslands } from './components.js';
import { transferLogits } from './crops.js';
import { MASK_SIDE } from './frames.js';

export const MAX_POINTS = 512;

export class PromptError extends Error {}

// A prompt that fits its image: box [x0, y0, x1, y1] or null, points [[x, y], ...], labels [1 or 0, ...], the previous segment or null.
export class Prompt {
  constructor({ box = null, points = [], labels = [], scribbles = [], scribbleLabels = [], previous = null }, size) {
    const strokes = scribbles.map((stroke) => spread(stroke, size));
    this.points = [...points, ...strokes.flat()];
    this.labels = [...labels, ...strokes.flatMap((stroke, i) => stroke.map(() => scribbleLabels[i]))];
    if (this.points.length > MAX_POINTS) throw new PromptError(`${this.points.length} points; at most ${MAX_POINTS} are accepted.`);
    this.box = box && clip(box, size);
    this.previous = previous;
  }

  get isAmbiguous() { // a single box or click
    return this.points.length + (this.box ? 1 : 0) === 1 && !this.previous;
  }

  get isVague() { // a single click or nothing at all
    return this.points.length <= 1 && !this.box && !this.previous;
  }

  // The prompt as a correction of an answer, with the box around its mask and the foreground points, unless it has a box.
  boxed(around) {
    const bounds = around && !this.box ? boundsWithoutIslands(around.storedMask) : null;
    if (!bounds) return this;
    const corners = [bounds.slice(0, 2), bounds.slice(2), ...this.points.filter((_, i) => this.labels[i] === 1)];
    const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    return Object.assign(Object.create(Prompt.prototype), this, { box, previous: around });
  }

  // The decoder's inputs: {coords, labels, maskInput, hasMask}, in SAM's order.
  toInput(frame, crop) {
    const [x0, y0, x1, y1] = crop, coords = [], labels = [];
    this.points.forEach(([x, y], i) => {
      if (x < x0 || x > x1 || y < y0 || y > y1) return;
      coords.push(frame.toInput([x - x0, y - y0]));
      labels.push(this.labels[i]);
    });
    if (this.box) {
      const [left, top, right, bottom] = this.box;
      coords.push(frame.toInput([left - x0, top - y0]), frame.toInput([right - x0, bottom - y0]));
      labels.push(2, 3);
    } else {
      coords.push([0, 0]);
      labels.push(-1);
    }
    const { previous } = this;
    const maskInput = previous ? transferLogits(previous.logits, previous.crop, crop) : new Float32Array(MASK_SIDE * MASK_SIDE);
    return { coords, labels, maskInput, hasMask: previous ? 1 : 0 };
  }
}

function clip(box, [h, w]) {
  const [x0, y0, x1, y1] = box.map((value, i) => Math.min(Math.max(value, 0), i % 2 ? h : w));
  if (x1 - x0 < 1 || y1 - y0 < 1) throw new PromptError(`the box [${box}] does not cover a pixel of the image, which is ${w} wide and ${h} high.`);
  return [x0, y0, x1, y1];
}

// Points at equal distances along a stroke: about one per twelfth of the image, at least 2, at most 8.
export function spread(stroke, size) {
  const along = [0];
  for (let i = 1; i < stroke.length; i += 1) along.push(along[i - 1] + Math.hypot(stroke[i][0] - stroke[i - 1][0], stroke[i][1] - stroke[i - 1][1]));
  const length = along[along.length - 1];
  if (length < 2) return stroke.slice(0, 1);
  const count = Math.min(8, Math.max(2, Math.ceil(length / (Math.max(...size) / 12))));
  return Array.from({ length: count }, (_, i) => interpolate(((i + 0.5) / count) * length, along, stroke));
}

function interpolate(at, along, stroke) {
  let i = 1;
  while (i < along.length - 1 && along[i] <= at) i += 1;
  const share = (at - along[i - 1]) / (along[i] - along[i - 1]);
  return [0, 1].map((axis) => stroke[i - 1][axis] + (stroke[i][axis] - stroke[i - 1][axis]) * share);
}
