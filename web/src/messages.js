// Images in messages to the canvas: mattes, previews and thumbnails of other answers. They are Blobs; page.js turns them
// into addresses.

/** @import { Alpha, Box, Bytes, Matte, Photo, Segment, Size } from './types.d.ts' */

import { boundsOf, fullBox, maskBounds, padBox, sizeOf } from './boxes.js';
import { Frame, MASK_SIDE } from './frames.js';
import { encodePng } from './png.js';
import { BOX, resize, smallerSize } from './resample.js';

const LONGEST = 2048;
const PREVIEW = 512;
const THUMBNAIL = 112;
const SAME = 0.9; // IoU
const MARGIN = 8; // logits
const DARK = [20, 24, 48];

/** @type {(matte: Matte, photo: Photo, key: string, withPixels: boolean, withCandidates: boolean) => Promise<object>} */
export async function matteMessage({ segment, small }, photo, key, withPixels, withCandidates) {
  /** @type {Record<string, any>} */
  const message = { key, chosen: segment.chosen };
  if (withPixels) message.overlay = await alphaImage(small);
  if (withCandidates) message.candidates = await (segment.thumbnails ||= candidateMessages(segment, photo));
  return message;
}

/** @type {(segment: Segment) => Promise<Blob>} */
export const previewImage = ({ mask }) => alphaImage(shrinkAlpha(mask.values, mask.size, PREVIEW));

/** An alpha, or the values of a mask, for the screen. @type {(values: Bytes, size: Size, longest?: number) => Alpha} */
export function shrinkAlpha(values, size, longest = LONGEST) {
  const smaller = smallerSize(size, longest);
  return smaller ? { values: resize(values, size[1], fullBox(size), smaller, BOX), size: smaller } : { values, size };
}

/** White, with this alpha channel. */
function alphaImage({ values, size }) {
  const pixels = new Uint8ClampedArray(2 * values.length).fill(255);
  for (let i = 0; i < values.length; i += 1) pixels[2 * i + 1] = values[i];
  return encodePng(pixels, size, 2);
}

/**
 * Thumbnails of the possible meanings of a click, all of the same part of the photo.
 * @type {(segments: Record<string, Segment>, photo: Photo) => Promise<object[]>}
 */
export function readingMessages(segments, photo) {
  const [h, w] = photo.size;
  const boxes = Object.values(segments).map(({ mask }) => mask.box || fullBox(photo.size));
  const box = padBox(boundsOf(boxes), Math.floor(Math.max(h, w) / 32), photo.size);
  return Promise.all(
    Object.entries(segments).map(async ([reading, { mask }]) => ({
      reading,
      source: await thumbnail(photo, box, mask.values, w, box),
    })),
  );
}

/** The answers 1 to 3 that differ from the chosen one and from each other. */
async function candidateMessages({ lowResMasks, crop, chosen }, photo) {
  const frame = new Frame(crop);
  const [h, w] = frame.maskSize.map(Math.ceil);
  const masks = [0, 1, 2, 3].map((k) => {
    const logits = lowResMasks.subarray(k * MASK_SIDE * MASK_SIDE, (k + 1) * MASK_SIDE * MASK_SIDE);
    const isSet = (value, i) => value > 0 && i % MASK_SIDE < w && i < h * MASK_SIDE;
    return Uint8ClampedArray.from(logits, (value, i) => (isSet(value, i) ? 255 : 0));
  });
  const shown = [chosen];
  for (const k of [1, 2, 3]) {
    if (masks[k].includes(255) && shown.every((other) => overlap(masks[k], masks[other]) < SAME)) shown.push(k);
  }
  if (shown.length < 2) return [];
  const union = masks[0].map((_, i) => Math.max(...masks.map((mask) => mask[i])));
  const part = padBox(maskBounds(union, [MASK_SIDE, MASK_SIDE]) || [0, 0, w, h], MARGIN, [h, w]);
  const scales = [1, 0].map((axis) => frame.originalSize[axis] / [h, w][axis]);
  const box = part.map((value, i) => crop[i % 2] + Math.round(value * scales[i % 2]));
  const indices = shown.filter((k) => k > 0).sort();
  return Promise.all(
    indices.map(async (index) => ({ index, source: await thumbnail(photo, box, masks[index], MASK_SIDE, part) })),
  );
}

function overlap(one, other) {
  const both = one.filter((value, i) => value && other[i]).length;
  return both / Math.max(1, one.filter((value, i) => value || other[i]).length);
}

/** A box of the photo, dark outside a mask, which is a box of an array of `width` columns. */
function thumbnail(photo, box, mask, width, maskBox) {
  const size = smallerSize(sizeOf(box), THUMBNAIL) || sizeOf(box);
  const inside = resize(mask, width, maskBox, size, BOX);
  const pixels = resize(photo.pixels, photo.size[1], box, size, BOX, 4);
  const darken = (value, i) => {
    const share = i % 4 < 3 ? 0.2 + (0.8 * inside[Math.floor(i / 4)]) / 255 : 1;
    return value * share + DARK[i % 4] * (1 - share);
  };
  return encodePng(
    pixels.map((value, i) => (i % 4 < 3 ? darken(value, i) : value)),
    size,
    4,
  );
}
