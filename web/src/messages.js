// Images inside messages to the canvas: the photo, mattes, previews and thumbnails of other answers. As demo/canvas/images.py.
// They are Blobs; page.js turns them into addresses.

import { cut, fullBox, maskBounds, padBox, place } from './boxes.js';
import { Frame, MASK_SIDE, SIDE } from './frames.js';
import { downsampledSize } from './photo.js';
import { reachedWindow, resize } from './pillow.js';
import { encodePng } from './png.js';

const LONGEST = 2048, MASK_LONGEST = 1024, PREVIEW = 512, THUMBNAIL = 112, SAME = 0.9, THUMBNAIL_MARGIN = 8;
const MASK_SIZE = [MASK_SIDE, MASK_SIDE];

export async function photoMessage({ bitmap, size: [height, width] }) {
  const [h, w] = downsampledSize([height, width], LONGEST) || [height, width], canvas = new OffscreenCanvas(w, h);
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, w, h);
  pen.drawImage(bitmap, 0, 0, w, h);
  bitmap.close();
  return { width, height, source: await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 }) };
}

export async function matteMessage(matte, photo, key, withPixels, withCandidates) {
  const message = { key, chosen: matte.segment.chosen };
  if (withPixels) message.overlay = await alphaImage(matte.small);
  if (withCandidates) message.candidates = await candidatesOf(matte.segment, photo);
  return message;
}

export async function maskMessage(segment, photo, key, withCandidates) {
  const message = { key, chosen: segment.chosen, overlay: await maskImage(segment.storedMask, MASK_LONGEST) };
  return withCandidates ? { ...message, candidates: await candidatesOf(segment, photo) } : message;
}

export function previewImage(segment) {
  return maskImage(segment.storedMask, PREVIEW);
}

function maskImage(mask, longest) {
  return alphaImage(shrinkAlpha(mask.map(opaque), longest));
}

export function toUint8(alpha) {
  const rounded = new Uint8Array(alpha.length);
  for (let i = 0; i < alpha.length; i += 1) rounded[i] = alpha[i] * 255 + 0.5;
  return rounded;
}

// An alpha, a Patch of float32, for the screen: {values (h, w) uint8, size}.
export function smallAlpha(alpha) {
  return shrinkAlpha(alpha.map(toUint8), LONGEST);
}

// The same of a mask, a Patch of 0 and 1.
export function smallMask(mask) {
  return shrinkAlpha(mask.map(opaque), LONGEST);
}

function opaque(mask) {
  return mask.map((value) => value * 255);
}

function shrinkAlpha(patch, longest) {
  const size = downsampledSize(patch.size, longest);
  if (!size) return { values: patch.full(), size: patch.size };
  const window = reachedWindow(patch.box, patch.size, size, 'box');
  return { values: place(resize(patch.full(), patch.size, size, 'box', 1, undefined, window), window, size), size };
}

function alphaImage({ values, size }) { // white, with this alpha channel
  const pixels = new Uint8Array(2 * values.length);
  for (let i = 0; i < values.length; i += 1) {
    pixels[2 * i] = 255;
    pixels[2 * i + 1] = values[i];
  }
  return encodePng(pixels, size, 2);
}

function candidatesOf(segment, photo) { // computed once
  if (!segment.candidateMessages) segment.candidateMessages = candidateMessages(segment, photo);
  return segment.candidateMessages;
}

// Thumbnails of the possible meanings of a click, {reading: segment}, all of the same part of the photo.
export async function readingMessages(segments, { pixels, size }) {
  const masks = Object.entries(segments).map(([reading, { storedMask }]) => [reading, storedMask.full()]), [h, w] = size;
  const union = masks[0][1].map((_, i) => (masks.some(([, mask]) => mask[i]) ? 1 : 0));
  const box = padBox(maskBounds(union, size) || fullBox(size), Math.floor(Math.max(h, w) / 32), size), own = [box[3] - box[1], box[2] - box[0]];
  const thumbnail = shrink(cut(pixels, size, box, 3), own);
  return Promise.all(masks.map(async ([reading, mask]) => ({ reading, source: await thumbnailImage(thumbnail, cut(mask, size, box), own) })));
}

async function candidateMessages(segment, photo) { // answers 1 to 3 that differ from the chosen one and from each other
  const [x0, y0, x1, y1] = segment.crop, size = new Frame([y1 - y0, x1 - x0]).inputSize.map((side) => Math.ceil((side * MASK_SIDE) / SIDE));
  const masks = [0, 1, 2, 3].map((k) => {
    const logits = segment.lowResMasks.subarray(k * MASK_SIDE * MASK_SIDE, (k + 1) * MASK_SIDE * MASK_SIDE);
    return cut(Uint8Array.from(logits, (value) => (value > 0 ? 1 : 0)), MASK_SIZE, [0, 0, size[1], size[0]]);
  });
  const shown = [segment.chosen];
  for (const k of [1, 2, 3]) if (masks[k].includes(1) && shown.every((other) => overlap(masks[k], masks[other]) < SAME)) shown.push(k);
  if (shown.length < 2) return [];
  const union = masks[0].map((_, i) => masks.some((mask) => mask[i]));
  const part = padBox(maskBounds(union, size) || fullBox(size), THUMBNAIL_MARGIN, size), [left, top, right, bottom] = part;
  const yScale = (y1 - y0) / size[0], xScale = (x1 - x0) / size[1];
  const box = [x0 + Math.trunc(left * xScale), y0 + Math.trunc(top * yScale), x0 + Math.round(right * xScale), y0 + Math.round(bottom * yScale)];
  const thumbnail = shrink(cut(photo.pixels, photo.size, box, 3), [box[3] - box[1], box[2] - box[0]]);
  return Promise.all(shown.filter((k) => k > 0).sort().map(async (index) => (
    { index, source: await thumbnailImage(thumbnail, cut(masks[index], size, part), [bottom - top, right - left]) })));
}

function overlap(one, other) {
  let both = 0, either = 0;
  one.forEach((value, i) => {
    both += value & other[i];
    either += value | other[i];
  });
  return both / Math.max(1, either);
}

function shrink(pixels, size) {
  const smaller = downsampledSize(size, THUMBNAIL);
  return { pixels: smaller ? resize(pixels, size, smaller, 'box', 3) : pixels, size: smaller || size };
}

function thumbnailImage({ pixels, size }, mask, maskSize) { // dark outside the mask
  const inside = resize(mask.map((value) => value * 255), maskSize, size, 'box'), dark = [20, 24, 48];
  return encodePng(pixels.map((value, i) => {
    const share = inside[Math.floor(i / 3)] / 255, darkened = 0.2 * value + 0.8 * dark[i % 3];
    return value * share + darkened * (1 - share) + 0.5;
  }), size, 3);
}
