// The object's colours at soft edges, without the background that shows through: Germer et al. 2020, "Fast Multi-Level
// Foreground Estimation", as in mam/compose/foreground.py.

/** @import { Bytes, Size } from './types.d.ts' */

import { clamp, fullBox, maskBounds, padBox, sizeOf, tabulate } from './boxes.js';
import { cellsOf, dilate } from './regions.js';
import { BOX, TRIANGLE, resize, smallerSize } from './resample.js';

/** Both layers, (h, w, 3) in levels of 255. @typedef {{ size: Size, front: Float32Array, back: Float32Array }} Level */

// Longest sides: above the first, images are solved at the second, and fitted to each pixel.
const LARGE = 1536;
const SOLVED = 768;
const CONTEXT = 16; // pixels around soft edges from which their colours are estimated
const REGULARIZATION = 1e-5;
const SMALL_SIDE = 32;
const SMALL_ITERATIONS = 10;
const ITERATIONS = 2;
const DENSE_PIXELS = 1 << 16; // larger levels are solved only near soft edges
const NEAR = 2;

/**
 * RGBA pixels with the object's colours where alpha is neither 0 nor 255.
 * @type {(pixels: Bytes, alpha: Bytes, size: Size) => Bytes}
 */
export function foregroundColours(pixels, alpha, size) {
  const bounds = maskBounds(markSoft(alpha), size);
  if (!bounds) return pixels;
  const box = padBox(bounds, CONTEXT, size);
  const [h, w] = sizeOf(box);
  const solved = smallerSize([h, w], LARGE) && smallerSize([h, w], SOLVED);
  const small = solved || sizeOf(box);
  const shrink = (values, bands) => resize(values, size[1], box, small, BOX, bands);
  const { front, back } = estimate(shrink(pixels, 4), shrink(alpha, 1), small);
  const [fronts, backs] = [front, back].map((layer) => {
    const levels = new Uint8ClampedArray(layer);
    return solved ? resize(levels, small[1], fullBox(small), [h, w], TRIANGLE, 3) : levels;
  });
  const colours = pixels.slice();
  const shareAt = (x, y) => alpha[clamp(y, 0, size[0] - 1) * size[1] + clamp(x, 0, size[1] - 1)] / 255;
  for (let y = box[1], i = 0; y < box[3]; y += 1) {
    for (let x = box[0]; x < box[2]; x += 1, i += 1) {
      const a = shareAt(x, y);
      if (a === 0 || a === 1) continue;
      const at = 4 * (y * size[1] + x);
      const weight =
        Math.abs(a - shareAt(x - 1, y)) +
        Math.abs(a - shareAt(x + 1, y)) +
        Math.abs(a - shareAt(x, y - 1)) +
        Math.abs(a - shareAt(x, y + 1));
      const step = a / (a * a + (1 - a) * (1 - a) + weight);
      for (let c = 0; c < 3; c += 1) {
        const missing = solved ? pixels[at + c] - a * fronts[3 * i + c] - (1 - a) * backs[3 * i + c] : 0;
        colours[at + c] = fronts[3 * i + c] + step * missing;
      }
    }
  }
  return colours;
}

const markSoft = (alpha) => tabulate(new Uint8ClampedArray(alpha.length), (i) => (alpha[i] % 255 ? 255 : 0));

/** From coarse to fine; the layers are exact only near soft alphas. @type {(pixels: Bytes, alpha: Bytes, size: Size) => Level} */
function estimate(pixels, alpha, size) {
  const levels = Math.ceil(Math.log2(Math.max(...size, 2)));
  const front = meanColour(pixels, (i) => alpha[i] > 229, alpha.length);
  const back = meanColour(pixels, (i) => alpha[i] < 26, alpha.length);
  /** @type {Level} */
  let level = { size: [1, 1], front, back };
  for (let k = 0; k <= levels; k += 1) {
    const scaled = /** @type {Size} */ (size.map((side) => Math.round(side ** (k / levels))));
    const from = nearest(scaled, size);
    const shares = tabulate(new Uint8ClampedArray(from.length), (i) => alpha[from[i]]);
    level = refine(level, pick(pixels, 4, from), shares, scaled);
  }
  return level;
}

function meanColour(pixels, isCounted, length) {
  const sums = new Float32Array(3);
  let count = 0;
  for (let i = 0; i < length; i += 1) {
    if (!isCounted(i)) continue;
    count += 1;
    for (let c = 0; c < 3; c += 1) sums[c] += pixels[4 * i + c];
  }
  return sums.map((sum) => sum / Math.max(1, count));
}

/** For each pixel of a size the pixel of another size at its place. */
function nearest([h, w], [height, width]) {
  const { columns, rows } = cellsOf([h, w], [height, width]);
  return tabulate(new Int32Array(h * w), (i) => columns[i % w] + rows[Math.floor(i / w)]);
}

/** The three colours of pixels of an array of `bands` values per pixel. */
function pick(values, bands, from) {
  const picked = new Float32Array(3 * from.length);
  for (let i = 0, to = 0; i < from.length; i += 1) {
    for (let c = 0; c < 3; c += 1, to += 1) picked[to] = values[bands * from[i] + c];
  }
  return picked;
}

/** The next level: it begins with the colours of the last one, or with those that are known. */
function refine(coarser, image, alpha, [h, w]) {
  const isDense = h * w <= DENSE_PIXELS;
  const isSoft = markSoft(alpha);
  const wanted = dilate((i) => isDense || isSoft[i], [h, w], isDense ? 0 : NEAR);
  const from = nearest([h, w], coarser.size);
  const begin = (values, side) => {
    const colours = pick(values, 3, from);
    const isKnown = (i) => !isDense && alpha[Math.floor(i / 3)] === side;
    return tabulate(colours, (i) => (isKnown(i) ? image : colours)[i]);
  };
  /** @type {Level} */
  const level = { size: [h, w], front: begin(coarser.front, 255), back: begin(coarser.back, 0) };
  const iterations = Math.max(h, w) <= SMALL_SIDE ? SMALL_ITERATIONS : ITERATIONS;
  // Red and black pixels in turn.
  for (let k = 0; k < 2 * iterations; k += 1) {
    for (let i = 0; i < wanted.length; i += 1) {
      const [x, y] = [i % w, Math.floor(i / w)];
      if (wanted[i] && (x + y + k) % 2 === 0) relax(level, image, alpha, x, y);
    }
  }
  return level;
}

/** One Gauss-Seidel step: the colours of a pixel that agree best with the image and with those of its neighbours. */
function relax({ front, back, size: [h, w] }, image, alpha, x, y) {
  const here = y * w + x;
  const [up, down] = [y > 0 ? here - w : here, y < h - 1 ? here + w : here];
  const [left, right] = [x > 0 ? here - 1 : here, x < w - 1 ? here + 1 : here];
  const a = alpha[here] / 255;
  const weightOf = (there) => REGULARIZATION + Math.abs(a - alpha[there] / 255);
  const [w0, w1, w2, w3] = [weightOf(up), weightOf(down), weightOf(left), weightOf(right)];
  const total = w0 + w1 + w2 + w3;
  const a00 = a * a + total;
  const a01 = a * (1 - a);
  const a11 = (1 - a) * (1 - a) + total;
  const determinant = a00 * a11 - a01 * a01;
  for (let c = 0; c < 3; c += 1) {
    const around = (v) => w0 * v[3 * up + c] + w1 * v[3 * down + c] + w2 * v[3 * left + c] + w3 * v[3 * right + c];
    const b0 = a * image[3 * here + c] + around(front);
    const b1 = (1 - a) * image[3 * here + c] + around(back);
    front[3 * here + c] = clamp((a11 * b0 - a01 * b1) / determinant, 0, 255);
    back[3 * here + c] = clamp((a00 * b1 - a01 * b0) / determinant, 0, 255);
  }
}
