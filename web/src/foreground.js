// The object's colours at soft edges, without the background that shows through: Germer et al. 2020, "Fast Multi-Level
// Foreground Estimation", as in mam/compose/foreground.py. Windows of more than 768 pixels are solved at that size, and
// fitted to each pixel; a phone has the memory for it.

/** @import { Bytes, Size } from './types.d.ts' */

import { fullBox, maskBounds, padBox, sizeOf } from './boxes.js';
import { dilate } from './regions.js';
import { BOX, resize, smallerSize } from './resample.js';

/** Both layers, (h, w, 3) in [0, 1]. @typedef {{ size: Size, front: Float32Array, back: Float32Array }} Level */

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
  const solved = smallerSize([h, w], SOLVED);
  const small = solved || sizeOf(box);
  const shrink = (values, bands) => resize(values, size[1], box, small, BOX, bands);
  const { front, back } = estimate(shrink(pixels, 4), shrink(alpha, 1), small);
  const enlarge = (values) =>
    solved ? resize(toBytes(values), small[1], fullBox(small), [h, w], 1, 3) : toBytes(values);
  const [fronts, backs] = [enlarge(front), solved && enlarge(back)];
  const colours = pixels.slice();
  const shareAt = (x, y) =>
    alpha[Math.min(Math.max(y, 0), size[0] - 1) * size[1] + Math.min(Math.max(x, 0), size[1] - 1)] / 255;
  for (let y = box[1], i = 0; y < box[3]; y += 1) {
    for (let x = box[0]; x < box[2]; x += 1, i += 1) {
      const a = shareAt(x, y);
      if (a === 0 || a === 1) continue;
      const at = 4 * (y * size[1] + x);
      const around = [shareAt(x - 1, y), shareAt(x + 1, y), shareAt(x, y - 1), shareAt(x, y + 1)];
      const weight = around.reduce((sum, other) => sum + Math.abs(a - other), 0);
      const step = a / (a * a + (1 - a) * (1 - a) + weight);
      for (let c = 0; c < 3; c += 1) {
        const missing = backs ? pixels[at + c] - a * fronts[3 * i + c] - (1 - a) * backs[3 * i + c] : 0;
        colours[at + c] = fronts[3 * i + c] + step * missing;
      }
    }
  }
  return colours;
}

const toBytes = (values) => Uint8ClampedArray.from(values, (value) => value * 255);

const markSoft = (alpha) => alpha.map((value) => (value > 0 && value < 255 ? 255 : 0));

/** From coarse to fine; the layers are exact only near soft alphas. @type {(pixels: Bytes, alpha: Bytes, size: Size) => Level} */
function estimate(pixels, alpha, [height, width]) {
  const levels = Math.ceil(Math.log2(Math.max(width, height, 2)));
  const front = meanColour(pixels, (i) => alpha[i] > 229, alpha.length);
  const back = meanColour(pixels, (i) => alpha[i] < 26, alpha.length);
  /** @type {Level} */
  let level = { size: [1, 1], front, back };
  for (let k = 0; k <= levels; k += 1) {
    const [h, w] = [height, width].map((side) => Math.round(side ** (k / levels)));
    const from = nearest([h, w], [height, width]);
    const image = Float32Array.from(
      { length: 3 * h * w },
      (_, i) => pixels[4 * from[Math.floor(i / 3)] + (i % 3)] / 255,
    );
    level = refine(
      level,
      image,
      Uint8ClampedArray.from(from, (i) => alpha[i]),
      [h, w],
    );
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
  return sums.map((sum) => sum / 255 / Math.max(1, count));
}

/** For each pixel of a size the pixel of another size at its place. */
function nearest([h, w], [height, width]) {
  const at = (i) => Math.floor((Math.floor(i / w) * height) / h) * width + Math.floor(((i % w) * width) / w);
  return Int32Array.from({ length: h * w }, (_, i) => at(i));
}

/** The next level: it begins with the colours of the last one, or with those that are known. */
function refine(coarser, image, alpha, [h, w]) {
  const isDense = h * w <= DENSE_PIXELS;
  const isSoft = markSoft(alpha);
  const wanted = isDense ? null : dilate((i) => isSoft[i], [h, w], NEAR);
  const from = nearest([h, w], coarser.size);
  const begin = (values, known) =>
    image.map((value, i) => {
      const pixel = Math.floor(i / 3);
      return !isDense && alpha[pixel] === known ? value : values[3 * from[pixel] + (i % 3)];
    });
  /** @type {Level} */
  const level = { size: [h, w], front: begin(coarser.front, 255), back: begin(coarser.back, 0) };
  const iterations = Math.max(h, w) <= SMALL_SIDE ? SMALL_ITERATIONS : ITERATIONS;
  for (let k = 0; k < 2 * iterations; k += 1) {
    // red and black pixels in turn
    for (let y = 0; y < h; y += 1) {
      for (let x = (y + k) % 2; x < w; x += 2) if (isDense || wanted[y * w + x]) relax(level, image, alpha, x, y);
    }
  }
  return level;
}

/** One Gauss-Seidel step: the colours of a pixel that agree best with the image and with those of its neighbours. */
function relax({ front, back, size: [h, w] }, image, alpha, x, y) {
  const here = y * w + x;
  const around = [
    y > 0 ? here - w : here,
    y < h - 1 ? here + w : here,
    x > 0 ? here - 1 : here,
    x < w - 1 ? here + 1 : here,
  ];
  const a = alpha[here] / 255;
  const weights = around.map((there) => REGULARIZATION + Math.abs(a - alpha[there] / 255));
  const total = weights[0] + weights[1] + weights[2] + weights[3];
  const a00 = a * a + total;
  const a01 = a * (1 - a);
  const a11 = (1 - a) * (1 - a) + total;
  const determinant = a00 * a11 - a01 * a01;
  for (let c = 0; c < 3; c += 1) {
    let b0 = a * image[3 * here + c];
    let b1 = (1 - a) * image[3 * here + c];
    for (let k = 0; k < 4; k += 1) {
      b0 += weights[k] * front[3 * around[k] + c];
      b1 += weights[k] * back[3 * around[k] + c];
    }
    front[3 * here + c] = Math.min(Math.max((a11 * b0 - a01 * b1) / determinant, 0), 1);
    back[3 * here + c] = Math.min(Math.max((a00 * b1 - a01 * b0) / determinant, 0), 1);
  }
}
