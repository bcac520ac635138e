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
  if (pixels > DECODED_AT_MOST * mostPixels) {
    bitmap.close();
    throw new PhotoError(text('too_many_pixels', { name, megapixels, limit }));
  }
  const rgba = readPixels(bitmap, name);
  const photo = { ...split(rgba), size: [height, width], name: name.replace(/[.][^.]*$/, ''), note: '', bitmap };
  release(rgba);
  if (pixels <= mostPixels) return photo;
  const smaller = downsample(photo, Math.trunc(Math.max(width, height) * Math.sqrt(mostPixels / pixels)));
  for (const values of [photo.pixels, photo.straight, photo.alpha]) release(values);
  return { ...smaller, note: text('made_smaller', { megapixels, limit: mostPixels / 1e6 }) };
}

// A file as a bitmap: upright and in sRGB.
export async function decode(file, name) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'default' });
  } catch (error) {
    const start = new Uint8Array(await file.slice(0, 16).arrayBuffer().catch(() => new ArrayBuffer(0)));
    throw new PhotoError(text(reasonFor(start), { name }));
  }
}

const DAMAGED = ['ffd8ff', '89504e47', '47494638', '52494646', '424d']; // how JPEG, PNG, GIF, WebP and BMP begin, which every browser decodes
const OTHERS = ['49492a00', '4d4d002a', '49492b00', '4d4d002b', '38425053', 'ff0a', '0000000c4a584c20', '0000000c6a502020', 'ff4fff51', '49495500', '4949524f', '46554a4946494c4d', '25504446', '00000100'];

// The text about a file that starts with these bytes and cannot be decoded: damaged, an image of another kind, or no image.
function reasonFor(start) {
  const digits = Array.from(start, (byte) => byte.toString(16).padStart(2, '0')).join(''), begins = (prefix) => digits.startsWith(prefix);
  if (DAMAGED.some(begins)) return 'damaged';
  return OTHERS.some(begins) || digits.slice(8, 16) === '66747970' ? 'cannot_decode' : 'no_image'; // ftyp: HEIC, AVIF, raw, video
}

// Gives the memory of an array back now: browsers collect hundreds of megabytes of them late.
function release(values) {
  if (values && values.buffer.transfer) values.buffer.transfer(0);
}

function readPixels(bitmap, name) { // RGBA
  try {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0);
    const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
    canvas.width = canvas.height = 0; // browsers keep the memory of both for long otherwise
    return data;
  } catch (error) { // the browser has no memory for it
    bitmap.close();
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
