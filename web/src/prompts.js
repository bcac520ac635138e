// Prompts for one object, checked and converted to the decoder's inputs.

/** @import { Point, Segment, Size } from './types.d.ts' */
/** @import { Frame } from './frames.js' */

import { boundsOf, clamp } from './boxes.js';
import { transferLogits } from './crops.js';
import { MASK_SIDE } from './frames.js';
import { boundsWithoutIslands } from './regions.js';

export const MAX_POINTS = 512;

export class PromptError extends Error {}

/** A prompt that fits its photo; labels are 1 or 0, `previous` is the answer that it corrects. */
export class Prompt {
  /**
   * @param {{ box?: number[] | null, points?: Point[], labels?: number[], scribbles?: Point[][],
   *   scribbleLabels?: number[], previous?: Segment | null }} given
   * @param {Size} size
   */
  constructor({ box = null, points = [], labels = [], scribbles = [], scribbleLabels = [], previous = null }, size) {
    const strokes = scribbles.map((stroke) => spread(stroke, size));
    this.points = [...points, ...strokes.flat()];
    this.labels = [...labels, ...strokes.flatMap((stroke, i) => stroke.map(() => scribbleLabels[i]))];
    if (this.points.length > MAX_POINTS) {
      throw new PromptError(`${this.points.length} points; at most ${MAX_POINTS} are accepted.`);
    }
    this.box = box && clip(box, size);
    this.hasOwnBox = Boolean(box); // from the user; otherwise it surrounds an earlier answer
    this.previous = previous;
  }

  /** Whether it is a single box or click. */
  get isAmbiguous() {
    return this.points.length + (this.box ? 1 : 0) === 1 && !this.previous;
  }

  /** Whether it is a single click or nothing at all. */
  get isVague() {
    return this.points.length <= 1 && !this.box && !this.previous;
  }

  /** As a correction of an answer, with the box around its mask and the foreground points, unless it has a box. */
  boxed(around) {
    const bounds = around && !this.box ? boundsWithoutIslands(around.mask) : null;
    if (!bounds) return this;
    const foreground = this.points.filter((_, i) => this.labels[i] === 1);
    const box = boundsOf([bounds], foreground);
    return Object.assign(Object.create(Prompt.prototype), this, { box, previous: around });
  }

  /** The decoder's inputs, in SAM's order. @param {Frame} frame */
  toInput(frame) {
    const [x0, y0, x1, y1] = frame.crop;
    const isInside = ([x, y]) => x >= x0 && x <= x1 && y >= y0 && y <= y1;
    const coords = this.points.filter(isInside).map((point) => frame.toInput(point));
    const labels = this.labels.filter((_, i) => isInside(this.points[i]));
    const { box, previous } = this;
    if (box) coords.push(frame.toInput([box[0], box[1]]), frame.toInput([box[2], box[3]]));
    else coords.push([0, 0]);
    labels.push(...(box ? [2, 3] : [-1]));
    const maskInput = previous
      ? transferLogits(previous.logits, previous.crop, frame.crop)
      : new Float32Array(MASK_SIDE * MASK_SIDE);
    return { coords, labels, maskInput, hasMask: previous ? 1 : 0 };
  }
}

function clip(box, [h, w]) {
  const [x0, y0, x1, y1] = box.map((value, i) => clamp(value, 0, i % 2 ? h : w));
  if (x1 - x0 < 1 || y1 - y0 < 1) {
    throw new PromptError(`the box [${box}] does not cover a pixel of the image, which is ${w} wide and ${h} high.`);
  }
  return [x0, y0, x1, y1];
}

/** Points at equal distances along a stroke: about one per twelfth of the photo, from 2 to 8. */
export function spread(stroke, size) {
  const along = [0];
  for (let i = 1; i < stroke.length; i += 1) {
    along.push(along[i - 1] + Math.hypot(stroke[i][0] - stroke[i - 1][0], stroke[i][1] - stroke[i - 1][1]));
  }
  const length = along[along.length - 1];
  if (length < 2) return stroke.slice(0, 1);
  const count = clamp(Math.ceil(length / (Math.max(...size) / 12)), 2, 8);
  return Array.from({ length: count }, (_, k) => {
    const at = ((k + 0.5) / count) * length;
    const i = along.findIndex((end, index) => index && end > at);
    const share = (at - along[i - 1]) / (along[i] - along[i - 1]);
    return [0, 1].map((axis) => stroke[i - 1][axis] + (stroke[i][axis] - stroke[i - 1][axis]) * share);
  });
}
