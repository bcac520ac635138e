// Resizing of images and sampling of logits. Arrays are flat and row by row.

/** @import { Box, Bytes, Size } from './types.d.ts' */

import { clamp } from './boxes.js';

// How far the filters reach, in pixels of the coarser size.
export const BOX = 0.5;
export const TRIANGLE = 1;
export const CUBIC = 2;

// Weights at a distance of the coarser size's pixels; the last one is Keys' cubic with a = -0.5, as Pillow's.
const WEIGHTS = {
  [BOX]: () => 1,
  [TRIANGLE]: (d) => 1 - d,
  [CUBIC]: (d) => (d < 1 ? (1.5 * d - 2.5) * d * d + 1 : ((-0.5 * d + 2.5) * d - 4) * d + 2),
};

/** Which of `length` values make each of `count`, and their weights. */
function weigh(length, count, reach) {
  const scale = length / count;
  const stretch = Math.max(1, scale);
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach * stretch + 0.5));
    const end = Math.min(length, Math.floor(centre + reach * stretch + 0.5));
    const weightAt = (at) => WEIGHTS[reach](Math.abs(at + 0.5 - centre) / stretch);
    const weights = Array.from({ length: end - first }, (_, k) => weightAt(first + k));
    const sum = weights.reduce((one, other) => one + other, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * A box of an array of `bands` values per pixel and `width` pixels per row, at another size. Both passes round as Pillow
 * does, because mattes depend on it.
 * @type {(source: Bytes, width: number, box: Box, size: Size, reach: number, bands?: number) => Bytes}
 */
export function resize(source, width, [x0, y0, x1, y1], [h, w], reach, bands = 1) {
  const across = weigh(x1 - x0, w, reach);
  const length = w * bands;
  const narrow = new Uint8ClampedArray((y1 - y0) * length);
  for (let y = y0, to = 0; y < y1; y += 1) {
    for (const { first, weights } of across) {
      for (let band = 0; band < bands; band += 1, to += 1) {
        let from = (y * width + x0 + first) * bands + band;
        let sum = 0.5;
        for (let k = 0; k < weights.length; k += 1, from += bands) sum += weights[k] * source[from];
        narrow[to] = Math.floor(sum);
      }
    }
  }
  const result = new Uint8ClampedArray(h * length);
  const line = new Float32Array(length);
  weigh(y1 - y0, h, reach).forEach(({ first, weights }, y) => {
    line.fill(0.5);
    weights.forEach((weight, k) => {
      const from = (first + k) * length;
      for (let i = 0; i < length; i += 1) line[i] += weight * narrow[from + i];
    });
    result.set(line.map(Math.floor), y * length);
  });
  return result;
}

/**
 * The size with this longest side; null if it is not smaller.
 * @type {(size: Size, longest: number) => Size | null}
 */
export function smallerSize([h, w], longest) {
  const scale = longest / Math.max(h, w);
  return scale >= 1 ? null : [Math.max(1, Math.round(h * scale)), Math.max(1, Math.round(w * scale))];
}

/** Positions start + (i + 0.5) step. @typedef {{ start: number, step: number }} Line */

/**
 * Bilinear samples of a square, at positions in its pixels; outside it, the value there or that of its edge.
 * @type {(source: Float32Array, side: number, size: Size, across: Line, down: Line, outside?: number) => Float32Array}
 */
export function sample(source, side, [h, w], across, down, outside) {
  const values = new Float32Array(h * w);
  const firsts = Int32Array.from({ length: w }, (_, x) => clamp(Math.floor(at(across, x) - 0.5), 0, side - 1));
  const seconds = Int32Array.from({ length: w }, (_, x) => clamp(Math.floor(at(across, x) + 0.5), 0, side - 1));
  const shares = Float64Array.from({ length: w }, (_, x) => (at(across, x) + 0.5) % 1);
  const isOutside = (place) => outside !== undefined && (place < 0 || place >= side);
  for (let y = 0, to = 0; y < h; y += 1) {
    const row = at(down, y);
    const upper = clamp(Math.floor(row - 0.5), 0, side - 1) * side;
    const lower = clamp(Math.floor(row + 0.5), 0, side - 1) * side;
    const share = (row + 0.5) % 1;
    for (let x = 0; x < w; x += 1, to += 1) {
      const above = source[upper + firsts[x]] + shares[x] * (source[upper + seconds[x]] - source[upper + firsts[x]]);
      const below = source[lower + firsts[x]] + shares[x] * (source[lower + seconds[x]] - source[lower + firsts[x]]);
      values[to] = above + share * (below - above);
    }
    if (isOutside(row)) values.fill(outside, to - w, to);
  }
  for (let x = 0; x < w; x += 1) if (isOutside(at(across, x))) for (let i = x; i < h * w; i += w) values[i] = outside;
  return values;
}

const at = ({ start, step }, i) => start + (i + 0.5) * step;
