// Arrays for tests.

/** 0 and 1 from lines of "." and "#". */
export const cells = (...lines) => Uint8Array.from(lines.join(''), (sign) => Number(sign === '#'));

/** Points from their coordinates. */
export const pairs = (...values) => values.flatMap((x, i) => (i % 2 ? [] : [[x, values[i + 1]]]));

/** A mask of the union of boxes. @returns {import('../src/types.d.ts').Mask} */
export function boxMask([h, w], ...boxes) {
  const isIn = (x, y) => boxes.some(([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1);
  const values = fill([h, w], (x, y) => (isIn(x, y) ? 255 : 0));
  return { values, box: boxes[0] || null, size: [h, w] };
}

/** One byte per pixel, from a function of its place. */
export const fill = ([h, w], valueAt) =>
  Uint8ClampedArray.from({ length: h * w }, (_, i) => valueAt(i % w, Math.floor(i / w)));

/** RGBA, from a function of the place that returns red, green and blue. */
export function paint([h, w], colourAt) {
  const pixels = new Uint8ClampedArray(4 * h * w).fill(255);
  for (let i = 0; i < h * w; i += 1) pixels.set(colourAt(i % w, Math.floor(i / w)), 4 * i);
  return pixels;
}

/** Logits of 256 x 256: positive within a radius of (x, y). */
export const disc = (x, y, radius) =>
  Float32Array.from({ length: 65536 }, (_, i) => (radius - Math.hypot((i % 256) - x, Math.floor(i / 256) - y)) / 4);

/** An answer with these logits in a crop. */
export const answer = (logits, crop, fields = {}) => {
  const lowResMasks = new Float32Array(4 * 65536);
  lowResMasks.set(logits);
  return { logits, lowResMasks, chosen: 0, scores: [0.9, 0, 0, 0], crop, points: [], labels: [], ...fields };
};
