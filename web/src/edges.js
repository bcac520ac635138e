// Edges of an alpha, moved and softened, and an outline, as in mam/compose/composite.py.

/** @import { Bytes, Layer, Size, Style } from './types.d.ts' */

import { clamp, tabulate } from './boxes.js';
import { blur } from './blur.js';

const SOFTEST = 0.006; // radius of the softest edges, as a share of the longest side

/** The alpha itself if nothing changes. @type {(alpha: Bytes, size: Size, style: Style) => Bytes} */
export function adjustEdges(alpha, size, { softness, grow }) {
  const longest = Math.max(...size);
  const reach = Math.round((Math.abs(grow) / 1000) * longest);
  let edged = reach ? extend(alpha, size, reach, grow > 0 ? Math.max : Math.min) : alpha;
  if (softness > 0) edged = blur(edged, size, softness * SOFTEST * longest);
  if (softness < 0) edged = edged.map((value) => (value - 127.5) / (1 + 0.95 * softness) + 127.5);
  return edged;
}

/**
 * A white outline with round corners around the objects, as of a sticker; `width` is in thousandths of the longest side.
 * @type {(layer: Layer, width: number) => Layer}
 */
export function addOutline({ pixels, alpha, size }, width) {
  const radius = (width / 1000) * Math.max(...size);
  // Beside a straight edge, a Gaussian blur has fallen to 10% at 1.28 standard deviations.
  const near = blur(
    alpha.map((value) => (value > 127 ? 255 : 0)),
    size,
    radius / 1.28,
  );
  const slope = (0.175 * 1.28) / radius; // of the blur there, per pixel
  const outlined = new Uint8ClampedArray(pixels.length);
  const total = tabulate(new Uint8ClampedArray(alpha.length), (i) => {
    const white = clamp((near[i] / 255 - 0.1) / slope + 0.5, 0, 1) * (255 - alpha[i]);
    const sum = alpha[i] + white;
    for (let c = 4 * i; c < 4 * i + 3 && sum; c += 1) outlined[c] = (pixels[c] * alpha[i] + 255 * white) / sum;
    outlined[4 * i + 3] = sum;
    return sum;
  });
  return { pixels: outlined, alpha: total, size };
}

/**
 * The largest or smallest value within `reach` rows and columns. Windows of 1, 2, 4, ... values give that of any window by
 * two overlapping ones.
 */
function extend(values, [h, w], reach, choose) {
  const full = 2 * reach + 1;
  let result = values;
  for (const [lines, count, next, step] of [
    [h, w, w, 1],
    [w, h, 1, w],
  ]) {
    const from = result;
    result = new Uint8ClampedArray(values.length);
    const line = new Uint8ClampedArray(count + 2 * reach);
    for (let number = 0; number < lines; number += 1) {
      tabulate(line, (i) => from[number * next + clamp(i - reach, 0, count - 1) * step]);
      let width = 1;
      for (; 2 * width <= full; width *= 2) {
        for (let i = 0; i + width < line.length; i += 1) line[i] = choose(line[i], line[i + width]);
      }
      for (let i = 0; i < count; i += 1) {
        result[number * next + i * step] = choose(line[i], line[i + full - width]);
      }
    }
  }
  return result;
}
