// Gaussian blur by three box blurs of fractional radius, as Pillow's: Gwosdek et al. 2011, "Theoretical Foundations of
// Gaussian Convolution by Extended Box Filtering".

/** @import { Bytes, Size } from './types.d.ts' */

import { clamp } from './boxes.js';

const PASSES = 3;

/** Beyond the edges, the values there go on. @type {(values: Bytes, size: Size, radius: number, bands?: number) => Bytes} */
export function blur(values, [h, w], radius, bands = 1) {
  if (!(radius > 0)) return values;
  /** @type {Bytes[]} */
  let [from, to] = [values, new Uint8ClampedArray(values.length)];
  const reach = boxRadius(radius);
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (let y = 0; y < h; y += 1) {
      for (let band = 0; band < bands; band += 1) blurLine(from, to, y * w * bands + band, bands, w, reach);
    }
    [from, to] = [to, pass ? from : new Uint8ClampedArray(values.length)];
  }
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (let i = 0; i < w * bands; i += 1) blurLine(from, to, i, w * bands, h, reach);
    [from, to] = [to, from];
  }
  return from;
}

/** The radius of the box, with a fraction, whose three-fold blur has this standard deviation. */
function boxRadius(radius) {
  const variance = radius ** 2 / PASSES;
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const part = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) ** 2));
  return whole + part;
}

function blurLine(from, to, start, step, count, reach) {
  const whole = Math.floor(reach);
  const part = reach - whole;
  const scale = 1 / (2 * reach + 1);
  const at = (i) => from[start + clamp(i, 0, count - 1) * step];
  let sum = 0;
  for (let i = -whole; i <= whole; i += 1) sum += at(i);
  for (let i = 0; i < count; i += 1) {
    const after = at(i + whole + 1);
    to[start + i * step] = scale * (sum + part * (at(i - whole - 1) + after));
    sum += after - at(i - whole);
  }
}
