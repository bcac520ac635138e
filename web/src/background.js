// Backgrounds of the finished image, as in mam/compose/composite.py.

/** @import { Bytes, Layer, Size, Style } from './types.d.ts' */

import { fullBox, isSame, tabulate } from './boxes.js';
import { blur } from './blur.js';
import { BOX, TRIANGLE, resize, smallerSize } from './resample.js';

const FINE_BLUR = 8; // pixels of radius, above which a smaller image that is blurred by this much gives the same picture
const SHADOW = 0.02; // radius of the shadow, as a share of the longest side
const FAR = 64; // longest side of the image that colours far inside the object come from
const CENTRED = { whole: false, position: [0.5, 0.5] };
const FEW = 0.02; // share of the background below which it has no colour

/**
 * RGBA pixels of a size; a blur is of the photo behind its objects.
 * @type {(style: Style, size: Size, photo: Layer) => Bytes}
 */
export function drawBackground(style, size, photo) {
  const { background } = style;
  if (typeof background === 'string' || 'top' in background) return fill(background, size);
  if (!('blur' in background)) return drawCovering(background, size, style);
  const pixels = blurBehind(photo, background.blur);
  return isSame(size, photo.size) ? pixels : drawCovering(toCanvas(pixels, photo.size), size, CENTRED);
}

/** One colour "#rrggbb", or a vertical gradient. */
function fill(background, [h, w]) {
  const [top, bottom] = typeof background === 'string' ? [background, background] : [background.top, background.bottom];
  const [first, last] = [top, bottom].map((code) => [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16)));
  const pixels = new Uint8ClampedArray(4 * h * w).fill(255);
  for (let y = 0, to = 0; y < h; y += 1) {
    const share = h > 1 ? y / (h - 1) : 0;
    const colour = first.map((value, c) => Math.floor(value * (1 - share) + last[c] * share + 0.5));
    for (let x = 0; x < w; x += 1, to += 4) pixels.set(colour, to);
  }
  return pixels;
}

/** An image that covers the frame, or that is shown whole on a blurred copy. */
function drawCovering(bitmap, [h, w], { whole, position }) {
  const pen = penFor([h, w]);
  const draw = (scale) => {
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    pen.drawImage(bitmap, (w - width) * position[0], (h - height) * position[1], width, height);
  };
  const scales = [w / bitmap.width, h / bitmap.height];
  draw(Math.max(...scales));
  if (whole) {
    const { data } = pen.getImageData(0, 0, w, h);
    pen.putImageData(new ImageData(toArray(blurAny(data, [h, w], Math.max(w, h) / 40, 4)), w, h), 0, 0);
    draw(Math.min(...scales));
  }
  return pen.getImageData(0, 0, w, h).data;
}

/** A blur of any radius: large ones on a smaller image, which gives the same picture in less time. */
function blurAny(values, size, radius, bands) {
  const small =
    radius > FINE_BLUR && smallerSize(size, Math.max(1, Math.round((Math.max(...size) * FINE_BLUR) / radius)));
  if (!small) return blur(values, size, radius, bands);
  const shrunk = resize(values, size[1], fullBox(size), small, BOX, bands);
  const soft = blur(shrunk, small, (radius * Math.max(...small)) / Math.max(...size), bands);
  return resize(soft, small[1], fullBox(small), size, TRIANGLE, bands);
}

/** The photo's own background, blurred without the objects' colours. @type {(photo: Layer, strength: number) => Bytes} */
function blurBehind({ pixels, alpha, size }, strength) {
  const radius = (strength / 1000) * Math.max(...size);
  const small =
    radius > FINE_BLUR && smallerSize(size, Math.max(1, Math.round((Math.max(...size) * FINE_BLUR) / radius)));
  if (small) {
    const shrink = (values, bands) => resize(values, size[1], fullBox(size), small, BOX, bands);
    const layer = { pixels: shrink(pixels, 4), alpha: shrink(alpha, 1), size: small };
    return resize(blurBehind(layer, strength), small[1], fullBox(small), size, TRIANGLE, 4);
  }
  // Premultiplied by the background's own weight, so that the blur averages the background only.
  const behind = tabulate(new Uint8ClampedArray(pixels.length), (i) => {
    const share = 255 - alpha[i >> 2];
    return i % 4 === 3 ? share : (pixels[i] * share) / 255;
  });
  const soft = blur(behind, size, radius, 4);
  const far = continueColours(behind, size);
  return tabulate(new Uint8ClampedArray(pixels.length), (i) => {
    if (i % 4 === 3) return 255;
    const weight = soft[i | 3] / 255;
    // Far inside the object the weight is too small to divide by.
    const share = Math.min(1, Math.max(0, (weight - FEW) / (2 * FEW)));
    return Math.floor((share * soft[i]) / Math.max(weight, FEW) + (1 - share) * far[i]);
  });
}

/** The mean of premultiplied colours over ever larger areas, until there are some. */
function continueColours(behind, size) {
  const small = smallerSize(size, FAR) || size;
  const shrunk = resize(behind, size[1], fullBox(size), small, BOX, 4);
  const filled = new Uint8ClampedArray(shrunk.length);
  for (const radius of [64, 16, 4]) {
    // the nearest colours last
    const soft = blur(shrunk, small, radius, 4);
    for (let i = 0; i < filled.length; i += 1) {
      const weight = soft[i | 3] / 255;
      if (weight > FEW) filled[i] = Math.floor(soft[i] / weight);
    }
  }
  return resize(filled, small[1], fullBox(small), size, TRIANGLE, 4);
}

/** Darkens RGBA pixels by the objects' shadow, to the right and down. @type {(pixels: Bytes, alpha: Bytes, size: Size, strength: number) => void} */
export function addShadow(pixels, alpha, [h, w], strength) {
  const radius = SHADOW * Math.max(h, w);
  const [dx, dy] = [Math.round(radius / 2), Math.round(radius)];
  const moved = new Uint8ClampedArray(h * w);
  for (let y = dy; y < h; y += 1) moved.set(alpha.subarray((y - dy) * w, (y - dy) * w + w - dx), y * w + dx);
  const darkness = blurAny(moved, [h, w], radius, 1);
  for (let i = 0; i < pixels.length; i += 1) {
    if (i % 4 < 3) pixels[i] = Math.floor(pixels[i] * (1 - (strength * darkness[i >> 2]) / 255) + 0.5);
  }
}

/** @type {(size: Size) => OffscreenCanvasRenderingContext2D} */
export function penFor([h, w]) {
  const pen = new OffscreenCanvas(w, h).getContext('2d', { willReadFrequently: true });
  pen.imageSmoothingQuality = 'high';
  return pen;
}

/** A canvas that holds RGBA pixels, to be drawn elsewhere. @type {(pixels: Bytes, size: Size) => OffscreenCanvas} */
export function toCanvas(pixels, [h, w]) {
  const pen = penFor([h, w]);
  pen.putImageData(new ImageData(toArray(pixels), w, h), 0, 0);
  return pen.canvas;
}

/** @type {(values: any) => Uint8ClampedArray<ArrayBuffer>} */
const toArray = (values) => values;
