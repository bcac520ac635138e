// The original frame (the photo's or a crop's pixels) and the input frame (longest side 1024, padded to a square).

/** @import { Box, Photo, Point, Size } from './types.d.ts' */

import { sizeOf } from './boxes.js';
import { TRIANGLE, resize } from './resample.js';

export const SIDE = 1024;
export const MASK_SIDE = 256;
export const PIXEL_MEAN = [123.675, 116.28, 103.53];
export const PIXEL_STD = [58.395, 57.12, 57.375];

export class Frame {
  /** @param {Box} crop */
  constructor(crop) {
    const [h, w] = sizeOf(crop);
    const longest = Math.max(h, w);
    const scaled = (side) => Math.max(1, Math.floor((2 * SIDE * side + longest) / (2 * longest)));
    this.crop = crop;
    /** @type {Size} */
    this.originalSize = [h, w];
    /** @type {Size} */
    this.inputSize = [scaled(h), scaled(w)];
  }

  /** The part of the logits that lies in the crop, in logits. */
  get maskSize() {
    return this.inputSize.map((side) => (side * MASK_SIDE) / SIDE);
  }

  /** From a pixel of the photo to the input frame. @type {(point: Point) => Point} */
  toInput([x, y]) {
    const [h, w] = this.inputSize;
    return [((x - this.crop[0]) * w) / this.originalSize[1], ((y - this.crop[1]) * h) / this.originalSize[0]];
  }

  /** The cell of the logits that a point of the input frame lies in, as [column, row]. */
  static toCell(point) {
    return point.map((value) => Math.trunc(Math.min(Math.max((value * MASK_SIDE) / SIDE, 0), MASK_SIDE - 1)));
  }
}

/**
 * A crop of the photo as the encoder reads it, (1, 3, 1024, 1024).
 * @type {(photo: Photo, frame: Frame) => Float32Array}
 */
export function toInputImage({ pixels, size }, frame) {
  const [h, w] = frame.inputSize;
  const scaled = resize(pixels, size[1], frame.crop, [h, w], TRIANGLE, 4);
  const image = new Float32Array(3 * SIDE * SIDE);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let y = 0; y < h; y += 1) {
      const to = (channel * SIDE + y) * SIDE;
      const from = y * w * 4 + channel;
      for (let x = 0; x < w; x += 1) image[to + x] = (scaled[from + 4 * x] - PIXEL_MEAN[channel]) / PIXEL_STD[channel];
    }
  }
  return image;
}
