// Which crop of an image to encode for a prompt, and moving logits between crops. As mam/masks/crops.py.

import { fullBox, isSame, padBox } from './boxes.js';
import { Frame, MASK_SIDE, SIDE } from './frames.js';
import { transformAffine } from './pillow.js';

const MIN_ZOOM = 1.25, MIN_SIDE = 16, CLICK_SIDE = 0.35, EDGE_CONTACT = 0.03, UNSEEN_LOGIT = -8;

export function chooseCrop(box, points, previous, size, margin) {
  const full = fullBox(size), [h, w] = size;
  const isOfCrop = previous && !isSame(previous.crop, full);
  if (isOfCrop && contains(previous.crop, boundsOf(box, null, points))) return previous.crop;
  const mask = previous && !previous.isEmpty ? previous.storedMask.box : null;
  if (!box && !mask) return full;
  const [x0, y0, x1, y1] = boundsOf(box, mask, points);
  const grow = Math.max(margin * Math.max(x1 - x0, y1 - y0), (MIN_SIDE - Math.min(x1 - x0, y1 - y0)) / 2);
  const crop = [
    Math.max(0, Math.trunc(x0 - grow)), Math.max(0, Math.trunc(y0 - grow)),
    Math.min(w, Math.ceil(x1 + grow)), Math.min(h, Math.ceil(y1 + grow)),
  ];
  return zoom(crop, size) >= MIN_ZOOM ? crop : full;
}

// A crop twice as large around a crop, or the whole image.
export function enlarge(crop, size) {
  const larger = padBox(crop, Math.floor(Math.max(crop[2] - crop[0], crop[3] - crop[1]) / 2), size);
  return zoom(larger, size) >= MIN_ZOOM ? larger : fullBox(size);
}

const zoom = ([x0, y0, x1, y1], size) => Math.max(...size) / Math.max(x1 - x0, y1 - y0);

export function cropAroundClick(point, [h, w]) {
  const side = Math.max(MIN_SIDE, Math.trunc(CLICK_SIDE * Math.max(h, w)));
  const [x0, y0] = [w, h].map((length, i) => Math.trunc(Math.min(Math.max(point[i] - side / 2, 0), Math.max(0, length - side))));
  return [x0, y0, Math.min(w, x0 + side), Math.min(h, y0 + side)];
}

// Whether an object probably continues beyond its crop; `mask` is a Patch of the whole image.
export function isCutOff(mask, [x0, y0, x1, y1]) {
  const [h, w] = mask.size;
  const row = (y) => share(x1 - x0, (i) => mask.at(x0 + i, y)), column = (x) => share(y1 - y0, (i) => mask.at(x, y0 + i));
  return (y0 > 0 && row(y0) > EDGE_CONTACT) || (y1 < h && row(y1 - 1) > EDGE_CONTACT)
    || (x0 > 0 && column(x0) > EDGE_CONTACT) || (x1 < w && column(x1 - 1) > EDGE_CONTACT);
}

function share(length, at) {
  let sum = 0;
  for (let i = 0; i < length; i += 1) sum += at(i);
  return sum / length;
}

// Resample (256, 256) logits of one crop for another crop of the same image.
export function transferLogits(logits, source, target) {
  if (isSame(source, target)) return logits;
  const [sx, sy] = scales(source), [tx, ty] = scales(target), padded = logits.slice();
  const [h, w] = new Frame([source[3] - source[1], source[2] - source[0]]).inputSize.map((side) => Math.ceil((side * MASK_SIDE) / SIDE));
  for (let y = 0; y < MASK_SIDE; y += 1) padded.fill(UNSEEN_LOGIT, y * MASK_SIDE + (y < h ? w : 0), (y + 1) * MASK_SIDE);
  const transform = { a: sx / tx, c: (target[0] - source[0]) * sx, e: sy / ty, f: (target[1] - source[1]) * sy };
  return transformAffine(padded, [MASK_SIDE, MASK_SIDE], transform, UNSEEN_LOGIT);
}

function scales(crop) {
  const { inputSize: [h, w], originalSize: [h0, w0] } = new Frame([crop[3] - crop[1], crop[2] - crop[0]]);
  return [((w / w0) * MASK_SIDE) / SIDE, ((h / h0) * MASK_SIDE) / SIDE];
}

function boundsOf(box, mask, points) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  const corners = [box, mask].filter(Boolean).flatMap(([x0, y0, x1, y1]) => [[x0, y0], [x1, y1]]);
  for (const [x, y] of [...corners, ...points]) {
    bounds[0] = Math.min(bounds[0], x);
    bounds[1] = Math.min(bounds[1], y);
    bounds[2] = Math.max(bounds[2], x);
    bounds[3] = Math.max(bounds[3], y);
  }
  return bounds;
}

function contains(crop, [x0, y0, x1, y1]) {
  return crop[0] <= x0 && crop[1] <= y0 && x1 <= crop[2] && y1 <= crop[3];
}
