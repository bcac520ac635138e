// The object's colours at soft edges, without the background that shows through. As mam/compose/foreground.py, with one change: large
// levels keep colours only where they are computed, because a phone has little memory.

import { cut, maskBounds, padBox } from './boxes.js';
import { downsampledSize, roundHalfToEven } from './photo.js';
import { dilate, resize, resizeLazily } from './pillow.js';

const LARGE = 1536, SOLVED = 768; // longest sides: above the first, images are solved at the second
const CONTEXT = 16, REGULARIZATION = Math.fround(1e-5), SMALL_SIDE = 32, SMALL_ITERATIONS = 10, ITERATIONS = 2;
const DENSE_PIXELS = 1 << 16, NEAR = 2; // the window of 5 pixels reaches 2

// (h, w, 3) uint8 and alpha (h, w) uint8 -> (h, w, 3) uint8; the image's own pixels where alpha is 0 or 255.
export function foregroundColours(pixels, alpha, size) {
  const bounds = maskBounds(isSoft(alpha), size);
  if (!bounds) return pixels;
  const window = padBox(bounds, CONTEXT, size), colours = pixels.slice();
  const part = { pixels: cut(pixels, size, window, 3), alpha: cut(alpha, size, window), size: [window[3] - window[1], window[2] - window[0]] };
  const colourAt = Math.max(...part.size) > LARGE ? solveSmaller(part) : solve(part);
  for (let y = 0; y < part.size[0]; y += 1) {
    for (let x = 0; x < part.size[1]; x += 1) {
      const a = part.alpha[y * part.size[1] + x], to = 3 * ((y + window[1]) * size[1] + x + window[0]);
      if (a > 0 && a < 255) for (let c = 0; c < 3; c += 1) colours[to + c] = colourAt(y, x, c);
    }
  }
  return colours;
}

function isSoft(alpha) {
  const soft = new Uint8Array(alpha.length);
  for (let i = 0; i < soft.length; i += 1) soft[i] = alpha[i] > 0 && alpha[i] < 255 ? 1 : 0;
  return soft;
}

function solve({ pixels, alpha, size }) { // -> the colour of a pixel (y, x) in a channel
  const level = estimate(pixels, alpha, size);
  return (y, x, c) => Math.trunc(level.front(y, x, c) * 255 + 0.5);
}

// The same from a smaller size: the estimate, fitted to each pixel by one step of `relaxPixel` with the estimate in place of the neighbours.
function solveSmaller({ pixels, alpha, size: [h, w] }) {
  const size = downsampledSize([h, w], SOLVED), smallAlpha = resize(alpha, [h, w], size, 'box');
  const level = estimate(resize(pixels, [h, w], size, 'box', 3), smallAlpha, size);
  const frontAt = enlarge((y, x, c) => level.front(y, x, c), size, [h, w]), backAt = enlarge((y, x, c) => level.back(y, x, c), size, [h, w]);
  return (y, x, c) => {
    const i = y * w + x, a = UNIT[alpha[i]], far = (other) => Math.abs(a - UNIT[alpha[other]]);
    const weight = (y > 0 ? far(i - w) : 0) + (y < h - 1 ? far(i + w) : 0) + (x > 0 ? far(i - 1) : 0) + (x < w - 1 ? far(i + 1) : 0);
    const step = a / (a * a + (1 - a) * (1 - a) + weight), front = frontAt(y, x, c);
    const missing = pixels[3 * i + c] - a * front - (1 - a) * backAt(y, x, c);
    return Math.trunc(Math.min(Math.max(front + step * missing, 0), 255) + 0.5);
  };
}

function enlarge(valueAt, [h, w], size) { // (h, w, 3) in [0, 1], given by a function -> uint8 at another size, as a function
  const values = new Uint8Array(3 * h * w);
  for (let y = 0; y < h; y += 1) for (let x = 0; x < w; x += 1) for (let c = 0; c < 3; c += 1) values[3 * (y * w + x) + c] = valueAt(y, x, c) * 255 + 0.5;
  return resizeLazily(values, [h, w], size, 'bilinear', 3);
}

function estimate(pixels, alpha, [height, width]) { // coarse to fine; returns the finest level
  const levels = Math.ceil(Math.log2(Math.max(width, height, 2)));
  let level = new Mean(pixels, alpha);
  for (let k = 0; k <= levels; k += 1) {
    const size = [height, width].map((side) => roundHalfToEven(side ** (k / levels)));
    level = new Level(pixels, alpha, [height, width], size, level);
    level.relax(Math.max(...size) <= SMALL_SIDE ? SMALL_ITERATIONS : ITERATIONS);
  }
  return level;
}

class Mean { // below the coarsest level: one colour for the object and one for what is behind it
  constructor(pixels, alpha) {
    this.size = [1, 1];
    this.frontColour = meanColour(pixels, (i) => alpha[i] / 255 > 0.9, alpha.length);
    this.backColour = meanColour(pixels, (i) => alpha[i] / 255 < 0.1, alpha.length);
  }

  front(y, x, c) { return this.frontColour[c]; }

  back(y, x, c) { return this.backColour[c]; }
}

function meanColour(pixels, isCounted, length) {
  const sums = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < length; i += 1) {
    if (!isCounted(i)) continue;
    count += 1;
    for (let c = 0; c < 3; c += 1) sums[c] += pixels[3 * i + c];
  }
  return sums.map((sum) => Math.fround(sum / 255 / Math.max(1, count)));
}

const UNIT = Float32Array.from({ length: 256 }, (_, value) => value / 255);

// One level of the pyramid: the image scaled to `size`, nearest. `slots` numbers the pixels that have colours of their own; those of
// all others are known, or the ones of the level before.
class Level {
  constructor(pixels, alpha, whole, size, coarser) {
    const [h, w] = size;
    Object.assign(this, { pixels, size, coarser, isDense: h * w <= DENSE_PIXELS });
    this.rows = Int32Array.from({ length: h }, (_, y) => Math.floor((y * whole[0]) / h) * whole[1]);
    this.columns = Int32Array.from({ length: w }, (_, x) => Math.floor((x * whole[1]) / w));
    this.alpha = new Uint8Array(h * w);
    for (let y = 0; y < h; y += 1) for (let x = 0; x < w; x += 1) this.alpha[y * w + x] = alpha[this.rows[y] + this.columns[x]];
    this.findWanted();
    this.fill();
  }

  findWanted() {
    const { alpha, size } = this;
    if (this.isDense) this.wanted = new Uint8Array(alpha.length).fill(1);
    else this.wanted = dilate(isSoft(alpha), size, NEAR);
  }

  fill() { // the colours from which the iterations begin
    const [h, w] = this.size, around = this.isDense ? this.wanted : dilate(this.wanted, this.size, 1);
    this.slots = new Int32Array(h * w).fill(-1);
    let count = 0;
    around.forEach((isUsed, i) => { if (isUsed) { this.slots[i] = count; count += 1; } });
    const fronts = new Float32Array(3 * count), backs = new Float32Array(3 * count);
    for (let y = 0; y < h; y += 1) {
      for (let x = 0; x < w; x += 1) {
        const slot = this.slots[y * w + x];
        if (slot < 0) continue;
        for (let c = 0; c < 3; c += 1) {
          fronts[3 * slot + c] = this.startOf('front', 255, y, x, c);
          backs[3 * slot + c] = this.startOf('back', 0, y, x, c);
        }
      }
    }
    Object.assign(this, { fronts, backs });
  }

  imageAt(y, x, c) { return UNIT[this.pixels[3 * (this.rows[y] + this.columns[x]) + c]]; }

  startOf(side, known, y, x, c) {
    const [h, w] = this.size, { size: [h0, w0] } = this.coarser;
    if (!this.isDense && this.alpha[y * w + x] === known) return this.imageAt(y, x, c);
    return this.coarser[side](Math.floor((y * h0) / h), Math.floor((x * w0) / w), c);
  }

  front(y, x, c) {
    const slot = this.slots[y * this.size[1] + x];
    return slot < 0 ? this.startOf('front', 255, y, x, c) : this.fronts[3 * slot + c];
  }

  back(y, x, c) {
    const slot = this.slots[y * this.size[1] + x];
    return slot < 0 ? this.startOf('back', 0, y, x, c) : this.backs[3 * slot + c];
  }

  relax(iterations) { // red-black Gauss-Seidel
    const [h, w] = this.size;
    for (let k = 0; k < iterations; k += 1) {
      for (let colour = 0; colour < 2; colour += 1) {
        for (let y = 0; y < h; y += 1) for (let x = (y + colour) % 2; x < w; x += 2) if (this.wanted[y * w + x]) this.relaxPixel(y, x);
      }
    }
  }

  relaxPixel(y, x) {
    const [h, w] = this.size, { slots, alpha, fronts, backs } = this, here = y * w + x, a = UNIT[alpha[here]];
    const up = y > 0 ? here - w : here, down = y < h - 1 ? here + w : here, left = x > 0 ? here - 1 : here, right = x < w - 1 ? here + 1 : here;
    const w0 = REGULARIZATION + Math.abs(a - UNIT[alpha[up]]), w1 = REGULARIZATION + Math.abs(a - UNIT[alpha[down]]);
    const w2 = REGULARIZATION + Math.abs(a - UNIT[alpha[left]]), w3 = REGULARIZATION + Math.abs(a - UNIT[alpha[right]]);
    const total = w0 + w1 + w2 + w3, a00 = a * a + total, a01 = a * (1 - a), a11 = (1 - a) * (1 - a) + total, determinant = a00 * a11 - a01 * a01;
    const s = 3 * slots[here], u = 3 * slots[up], d = 3 * slots[down], l = 3 * slots[left], r = 3 * slots[right];
    const from = 3 * (this.rows[y] + this.columns[x]);
    for (let c = 0; c < 3; c += 1) {
      const value = UNIT[this.pixels[from + c]];
      const b0 = a * value + w0 * fronts[u + c] + w1 * fronts[d + c] + w2 * fronts[l + c] + w3 * fronts[r + c];
      const b1 = (1 - a) * value + w0 * backs[u + c] + w1 * backs[d + c] + w2 * backs[l + c] + w3 * backs[r + c];
      fronts[s + c] = Math.min(Math.max((a11 * b0 - a01 * b1) / determinant, 0), 1);
      backs[s + c] = Math.min(Math.max((a00 * b1 - a01 * b0) / determinant, 0), 1);
    }
  }
}
