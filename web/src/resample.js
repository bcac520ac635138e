// Resizing of images and sampling of logits. Arrays are flat and row by row.

/** @import { Box, Bytes, Size } from './types.d.ts' */

import { clamp } from './boxes.js';

// How far the filters reach, in pixels of the coarser size.
export const BOX = 0.5;
export const TRIANGLE = 1;

/** Which of `length` values make each of `count`, and their weights. */
function weigh(length, count, reach) {
  const scale = length / count;
  const stretch = Math.max(1, scale);
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach * stretch + 0.5));
    const end = Math.min(length, Math.floor(centre + reach * stretch + 0.5));
    const weightAt = (at) => (reach === BOX ? 1 : 1 - Math.abs(at + 0.5 - centre) / stretch);
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

/** Of each output, along one axis: the two values around its position start + (i + 0.5) step, and the second's share. */
function locate(count, { start, step }, length) {
  return Array.from({ length: count }, (_, i) => {
    const at = start + (i + 0.5) * step;
    const low = Math.floor(at - 0.5);
    const [first, second] = [low, low + 1].map((place) => clamp(place, 0, length - 1));
    return { first, second, share: at - 0.5 - low, isInside: at >= 0 && at < length };
  });
}

/**
 * Bilinear samples of a square, at positions in its pixels; outside it, the value there or that of its edge.
 * @type {(source: Float32Array, side: number, size: Size, across: Line, down: Line, outside?: number) => Float32Array}
 */
export function sample(source, side, [h, w], across, down, outside) {
  const columns = locate(w, across, side);
  const values = new Float32Array(h * w);
  let to = 0;
  for (const row of locate(h, down, side)) {
    const [upper, lower] = [row.first * side, row.second * side];
    for (const { first, second, share, isInside } of columns) {
      const above = source[upper + first] + share * (source[upper + second] - source[upper + first]);
      const below = source[lower + first] + share * (source[lower + second] - source[lower + first]);
      const isOutside = outside !== undefined && !(isInside && row.isInside);
      values[to++] = isOutside ? outside : above + row.share * (below - above);
    }
  }
  return values;
}
