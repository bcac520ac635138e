// Images in messages to the canvas: mattes, previews and thumbnails of other answers. They are Blobs; page.js turns them
// into addresses.

/** @import { Alpha, Box, Bytes, Matte, Photo, Segment, Size } from './types.d.ts' */

import { boundsOf, fullBox, padBox, sizeOf } from './boxes.js';
import { withCandidate } from './decoding.js';
import { encodePng } from './png.js';
import { BOX, resize, smallerSize } from './resample.js';

const LONGEST = 2048;
const PREVIEW = 512;
const THUMBNAIL = 112;
const SAME = 0.9; // IoU
const DARK = [20, 24, 48, 255];

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
 * Thumbnails of segments, dark outside their masks, all of the same part of the photo.
 * @type {(segments: Segment[], photo: Photo) => Promise<Blob[]>}
 */
export function thumbnails(segments, { pixels, size: [h, w] }) {
  const boxes = segments.map(({ mask }) => mask.box || fullBox([h, w]));
  const box = padBox(boundsOf(boxes), Math.floor(Math.max(h, w) / 32), [h, w]);
  const size = smallerSize(sizeOf(box), THUMBNAIL) || sizeOf(box);
  const part = resize(pixels, w, box, size, BOX, 4);
  const draw = ({ mask }) => {
    const inside = resize(mask.values, w, box, size, BOX);
    const shareAt = (i) => 0.2 + (0.8 * inside[Math.floor(i / 4)]) / 255;
    const darkened = part.map((value, i) => value * shareAt(i) + DARK[i % 4] * (1 - shareAt(i)));
    return encodePng(darkened, size, 4);
  };
  return Promise.all(segments.map(draw));
}

/** The answers 1 to 3 that differ from the chosen one and from each other. */
async function candidateMessages(segment, photo) {
  const length = segment.logits.length;
  const masks = [0, 1, 2, 3].map((k) => segment.lowResMasks.slice(k * length, (k + 1) * length).map(isPositive));
  const shown = [segment.chosen];
  for (const k of [1, 2, 3]) {
    if (masks[k].includes(1) && shown.every((other) => overlap(masks[k], masks[other]) < SAME)) shown.push(k);
  }
  const indices = shown.length > 1 ? shown.filter((k) => k > 0).sort() : [];
  const candidates = indices.map((k) => withCandidate(segment, k));
  const sources = await thumbnails(candidates, photo);
  return indices.map((index, i) => ({ index, source: sources[i] }));
}

const isPositive = (logit) => Number(logit > 0);

function overlap(one, other) {
  const both = one.filter((value, i) => value && other[i]).length;
  return both / Math.max(1, one.filter((value, i) => value || other[i]).length);
}
