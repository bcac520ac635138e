// Written by the build from demo/canvas/js/painting.js.

import type { Bytes, Op, Size } from './types.d.ts';

export function paint(
  alpha: Float32Array,
  own: Uint8Array,
  pixels: Bytes,
  size: Size,
  bands: number,
  strokes: Op[],
): void;
