// The original frame (the user's pixels) and the input frame (longest side 1024, padded to a square). As mam/model/frames.py.

import { resize } from './pillow.js';

export const SIDE = 1024, MASK_SIDE = 256;
const MEAN = [123.675, 116.28, 103.53], STD = [58.395, 57.12, 57.375];

export class Frame {
  constructor(originalSize) {
    const longest = Math.max(...originalSize);
    this.originalSize = originalSize;
    this.inputSize = originalSize.map((side) => Math.max(1, Math.floor((2 * SIDE * side + longest) / (2 * longest))));
  }

  toInput([x, y]) {
    const [h0, w0] = this.originalSize, [h, w] = this.inputSize;
    return [Math.fround(x * (w / w0)), Math.fround(y * (h / h0))];
  }
}

// (H, W, 3) uint8 -> (1, 3, 1024, 1024) float32.
export function toInputImage(pixels, frame) {
  const [h, w] = frame.inputSize, small = resize(pixels, frame.originalSize, [h, w], 'bilinear', 3);
  const image = new Float32Array(3 * SIDE * SIDE);
  for (let channel = 0; channel < 3; channel += 1) {
    const mean = Math.fround(MEAN[channel]), std = Math.fround(STD[channel]);
    const table = Float32Array.from({ length: 256 }, (_, value) => Math.fround(Math.fround(value - mean) / std));
    for (let y = 0; y < h; y += 1) {
      const to = (channel * SIDE + y) * SIDE, from = y * w * 3 + channel;
      for (let x = 0; x < w; x += 1) image[to + x] = table[small[from + 3 * x]];
    }
  }
  return image;
}
