// Boxes [x0, y0, x1, y1] in whole pixels, ends exclusive, sizes [height, width], and masks of 0 and 255.

/** @import { Box, Bytes, Size } from './types.d.ts' */

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Fills an array by a function of the position; several times as fast as `from` with a function. */
export function tabulate(array, valueAt) {
  for (let i = 0; i < array.length; i += 1) array[i] = valueAt(i);
  return array;
}

/** @type {(size: Size) => Box} */
export const fullBox = ([h, w]) => [0, 0, w, h];

/** @type {(box: Box) => Size} */
export const sizeOf = ([x0, y0, x1, y1]) => [y1 - y0, x1 - x0];

export const isSame = (one, other) => one.every((value, i) => value === other[i]);

/** @type {(box: Box, by: number, size: Size) => Box} */
export const padBox = ([x0, y0, x1, y1], by, [h, w]) => [
  Math.max(0, x0 - by),
  Math.max(0, y0 - by),
  Math.min(w, x1 + by),
  Math.min(h, y1 + by),
];

/** The smallest box around boxes and points. @type {(boxes: number[][], points?: number[][]) => Box} */
export function boundsOf(boxes, points = []) {
  const corners = boxes.flatMap(([x0, y0, x1, y1]) => [
    [x0, y0],
    [x1, y1],
  ]);
  const [xs, ys] = [0, 1].map((axis) => [...corners, ...points].map((point) => point[axis]));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/**
 * The smallest box around all 255 of a mask, or null.
 * @type {(mask: Bytes, size: Size) => Box | null}
 */
export function maskBounds(mask, [h, w]) {
  /** @type {Box} */
  const box = [w, h, 0, 0];
  for (let y = 0; y < h; y += 1) {
    const row = mask.subarray(y * w, (y + 1) * w);
    const first = row.indexOf(255);
    if (first < 0) continue;
    box[0] = Math.min(box[0], first);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], row.lastIndexOf(255) + 1);
    box[3] = y + 1;
  }
  return box[3] ? box : null;
}

/**
 * The values of a box in an array that is zero elsewhere.
 * @type {(part: Bytes, box: Box, size: Size) => Bytes}
 */
export function place(part, [x0, y0, x1, y1], [h, w]) {
  const whole = new Uint8ClampedArray(h * w);
  for (let y = y0, from = 0; y < y1; y += 1, from += x1 - x0) {
    whole.set(part.subarray(from, from + x1 - x0), y * w + x0);
  }
  return whole;
}

/** The positions of a box's values in an array of `width` columns. @type {(box: Box, width: number) => Generator<number>} */
export function* cellsIn([x0, y0, x1, y1], width) {
  for (let y = y0; y < y1; y += 1) for (let x = x0; x < x1; x += 1) yield y * width + x;
}
