// Reading of a visitor's photo: upright, in sRGB, bounded in size. As mam/images.py, with the browser's decoders.

import { resize } from './pillow.js';
import { text } from './texts.js';

const DECODED_AT_MOST = 5; // times as many

export class PhotoError extends Error {} // with a text for the visitor

// Of more than `mostPixels` it is made smaller.
// {pixels (H, W, 3) uint8 over white, straight (the same before) and alpha, both null if it is opaque, size, name, note, bitmap}.
export async function readPhoto(file, name, mostPixels) {
  const bitmap = await decode(file, name), { width, height } = bitmap, pixels = width * height;
  const megapixels = Math.round(pixels / 1e6), limit = Math.round((DECODED_AT_MOST * mostPixels) / 1e6);
  if (pixels > DECODED_AT_MOST * mostPixels) throw new PhotoError(text('too_many_pixels', { name, megapixels, limit }));
  const photo = { ...split(readPixels(bitmap, name)), size: [height, width], name: name.replace(/[.][^.]*$/, ''), note: '', bitmap };
  if (pixels <= mostPixels) return photo;
  const smaller = downsample(photo, Math.trunc(Math.max(width, height) * Math.sqrt(mostPixels / pixels)));
  return { ...smaller, note: text('made_smaller', { megapixels, limit: mostPixels / 1e6 }) };
}

// A file as a bitmap: upright and in sRGB.
export async function decode(file, name) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'default' });
  } catch (error) {
    throw new PhotoError(text('cannot_decode', { name }));
  }
}

function readPixels(bitmap, name) { // RGBA
  try {
    const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0);
    return pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
  } catch (error) { // the browser has no memory for it
    throw new PhotoError(text('no_memory', { name }));
  }
}

function split(rgba) {
  const count = rgba.length / 4, straight = new Uint8Array(3 * count), alpha = new Uint8Array(count);
  let least = 255;
  for (let i = 0; i < count; i += 1) {
    straight[3 * i] = rgba[4 * i];
    straight[3 * i + 1] = rgba[4 * i + 1];
    straight[3 * i + 2] = rgba[4 * i + 2];
    alpha[i] = rgba[4 * i + 3];
    least = Math.min(least, alpha[i]);
  }
  if (least === 255) return { pixels: straight, straight: null, alpha: null };
  const pixels = new Uint8Array(3 * count);
  for (let i = 0; i < pixels.length; i += 1) {
    const share = alpha[Math.floor(i / 3)] / 255;
    pixels[i] = straight[i] * share + 255 * (1 - share) + 0.5;
  }
  return { pixels, straight, alpha };
}

// A photo of at most this longest side, by averaging.
export function downsample(photo, longest) {
  const size = downsampledSize(photo.size, longest);
  if (!size) return photo;
  const scale = (values, bands) => values && resize(values, photo.size, size, 'box', bands);
  return { ...photo, pixels: scale(photo.pixels, 3), straight: scale(photo.straight, 3), alpha: scale(photo.alpha, 1), size };
}

// The size with this longest side; null if it is not smaller.
export function downsampledSize([h, w], longest) {
  const scale = longest / Math.max(h, w);
  return scale >= 1 ? null : [h, w].map((side) => Math.max(1, roundHalfToEven(side * scale)));
}

export function roundHalfToEven(value) { // as Python rounds
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}
