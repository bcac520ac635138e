// Images in messages to the canvas: mattes, previews and thumbnails of other answers. They are Blobs; page.js turns them
// into addresses.

/** @import { Alpha, Box, Bytes, Matte, Photo, Segment, Size } from './types.d.ts' */

import { boundsOf, fullBox, padBox, sizeOf } from './boxes.js';
import { encodePng } from './png.js';
import { BOX, resize, smallerSize } from './resample.js';

const LONGEST = 2048;
const PREVIEW = 512;
const THUMBNAIL = 112;
const DARK = [20, 24, 48, 255];

/** @type {(matte: Matte, key: string, withPixels: boolean) => Promise<object>} */
export async function matteMessage({ small }, key, withPixels) {
  return withPixels ? { key, overlay: await alphaImage(small) } : { key };
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
 * Thumbnails of what a prompt may have meant, dark outside their masks, all of the same part of the photo.
 * @type {(answer: Segment, offers: Record<string, Segment>, photo: Photo) => Promise<object[]>}
 */
export function offerMessages(answer, offers, { pixels, size: [h, w] }) {
  const boxes = [answer, ...Object.values(offers)].map(({ mask }) => mask.box || fullBox([h, w]));
  const box = padBox(boundsOf(boxes), Math.floor(Math.max(h, w) / 32), [h, w]);
  const size = smallerSize(sizeOf(box), THUMBNAIL) || sizeOf(box);
  const part = resize(pixels, w, box, size, BOX, 4);
  const draw = async ([name, { mask }]) => {
    const inside = resize(mask.values, w, box, size, BOX);
    const shareAt = (i) => 0.2 + (0.8 * inside[Math.floor(i / 4)]) / 255;
    const darkened = part.map((value, i) => value * shareAt(i) + DARK[i % 4] * (1 - shareAt(i)));
    return { name, source: await encodePng(darkened, size, 4) };
  };
  return Promise.all(Object.entries(offers).map(draw));
}
