// Which crop of a photo to encode for a prompt, and moving logits between crops.

/** @import { Box, Mask, Point, Segment, Size } from './types.d.ts' */

import { boundsOf, fullBox, isSame, padBox, sizeOf } from './boxes.js';
import { Frame, MASK_SIDE } from './frames.js';
import { sample } from './resample.js';

const MIN_ZOOM = 1.25;
const MIN_SIDE = 16;
const CLICK_SIDE = 0.35; // of the photo's
const EDGE_CONTACT = 0.03; // of an edge
const UNSEEN_LOGIT = -8;

/** @type {(box: number[] | null, points: Point[], previous: Segment | null, size: Size, margin: number) => Box} */
export function chooseCrop(box, points, previous, size, margin) {
  const full = fullBox(size);
  if (previous && !isSame(previous.crop, full)) {
    if (contains(previous.crop, boundsOf(box ? [box] : [], points))) return previous.crop;
  }
  const mask = previous && previous.mask.box;
  if (!box && !mask) return full;
  const [x0, y0, x1, y1] = boundsOf([box, mask].filter(Boolean), points);
  const grow = Math.max(margin * Math.max(x1 - x0, y1 - y0), (MIN_SIDE - Math.min(x1 - x0, y1 - y0)) / 2);
  return wholeUnlessZoomed(
    padBox([Math.trunc(x0 - grow), Math.trunc(y0 - grow), Math.ceil(x1 + grow), Math.ceil(y1 + grow)], 0, size),
    size,
  );
}

/** A crop twice as large around a crop, or the whole photo. @type {(crop: Box, size: Size) => Box} */
export const enlarge = (crop, size) =>
  wholeUnlessZoomed(padBox(crop, Math.floor(Math.max(...sizeOf(crop)) / 2), size), size);

const wholeUnlessZoomed = (crop, size) =>
  Math.max(...size) / Math.max(...sizeOf(crop)) >= MIN_ZOOM ? crop : fullBox(size);

/** Whether a box lies in another one. */
export const contains = ([left, top, right, bottom], [x0, y0, x1, y1]) =>
  left <= x0 && top <= y0 && x1 <= right && y1 <= bottom;

/** @type {(point: Point, size: Size, closer?: number) => Box} */
export function cropAroundClick([x, y], [h, w], closer = 1) {
  const side = Math.max(MIN_SIDE, Math.trunc((CLICK_SIDE / closer) * Math.max(h, w)));
  const start = (at, length) => Math.trunc(Math.min(Math.max(at - side / 2, 0), Math.max(0, length - side)));
  const [x0, y0] = [start(x, w), start(y, h)];
  return [x0, y0, Math.min(w, x0 + side), Math.min(h, y0 + side)];
}

/** Whether an object probably continues beyond its crop. @type {(mask: Mask, crop: Box) => boolean} */
export function isCutOff({ values, size: [h, w] }, [x0, y0, x1, y1]) {
  const touches = (length, at) => {
    let set = 0;
    for (let i = 0; i < length; i += 1) set += Number(values[at(i)] > 0);
    return set > EDGE_CONTACT * length;
  };
  const row = (y) => touches(x1 - x0, (i) => y * w + x0 + i);
  const column = (x) => touches(y1 - y0, (i) => (y0 + i) * w + x);
  return (y0 > 0 && row(y0)) || (y1 < h && row(y1 - 1)) || (x0 > 0 && column(x0)) || (x1 < w && column(x1 - 1));
}

/** Logits of one crop for another crop of the photo. @type {(logits: Float32Array, source: Box, target: Box) => Float32Array} */
export function transferLogits(logits, source, target) {
  if (isSame(source, target)) return logits;
  const [h, w] = new Frame(source).maskSize.map(Math.ceil);
  const padded = logits.map((value, i) => (i % MASK_SIDE < w && i < h * MASK_SIDE ? value : UNSEEN_LOGIT));
  const [sourceScales, targetScales] = [source, target].map((crop) => {
    const { maskSize, originalSize } = new Frame(crop);
    return maskSize.map((side, axis) => side / originalSize[axis]);
  });
  const [down, across] = [0, 1].map((axis) => ({
    start: (target[1 - axis] - source[1 - axis]) * sourceScales[axis],
    step: sourceScales[axis] / targetScales[axis],
  }));
  return sample(padded, MASK_SIDE, [MASK_SIDE, MASK_SIDE], across, down, UNSEEN_LOGIT);
}
