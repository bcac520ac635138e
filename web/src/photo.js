// Reading of a visitor's photo by the browser's decoders: upright, in sRGB, bounded in size.

/** @import { Photo, Size } from './types.d.ts' */

import { smallerSize } from './resample.js';
import { text } from './texts.js';

const DECODED_AT_MOST = 5; // times as many pixels
const LESS = 4; // times fewer pixels where there is no memory for the most
const SHOWN = 2048; // longest side on the canvas

/** With a text for the visitor. */
export class PhotoError extends Error {}

/** Of more than `mostPixels`, or than the memory holds, it is made smaller. @type {(file: Blob, name: string, mostPixels: number) => Promise<Photo>} */
export async function readPhoto(file, name, mostPixels) {
  const bitmap = await decode(file, name);
  const count = bitmap.width * bitmap.height;
  const megapixels = Math.round(count / 1e6);
  try {
    if (count > DECODED_AT_MOST * mostPixels) {
      const limit = Math.round((DECODED_AT_MOST * mostPixels) / 1e6);
      throw new PhotoError(text('too_many_pixels', { name, megapixels, limit }));
    }
    const read = await readAtMost(bitmap, mostPixels).catch(() => readAtMost(bitmap, mostPixels / LESS));
    return { ...read, name: name.replace(/[.][^.]*$/, '') };
  } catch (error) {
    throw error instanceof PhotoError ? error : new PhotoError(text('no_memory', { name }));
  } finally {
    bitmap.close();
  }
}

async function readAtMost(bitmap, mostPixels) {
  const whole = /** @type {Size} */ ([bitmap.height, bitmap.width]);
  const count = bitmap.width * bitmap.height;
  const smaller = smallerSize(whole, Math.floor(Math.max(...whole) * Math.sqrt(mostPixels / count)));
  const values = { megapixels: Math.round(count / 1e6), limit: mostPixels / 1e6 };
  return { ...(await readPixels(bitmap, smaller || whole)), note: smaller ? text('made_smaller', values) : '' };
}

/** A file as a bitmap: upright and in sRGB. @type {(file: Blob, name: string) => Promise<ImageBitmap>} */
export async function decode(file, name) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image', premultiplyAlpha: 'none' });
  } catch {
    const content = await file
      .slice(0, 16)
      .arrayBuffer()
      .catch(() => new ArrayBuffer(0));
    const start = new Uint8Array(content);
    if (!isHeic(start)) throw new PhotoError(text(reasonFor(start), { name }));
    return decodeHeic(file, name);
  }
}

/** HEIC, the format of iPhones, which most browsers lack: its decoder is fetched at the first such photo. */
async function decodeHeic(file, name) {
  const { heicTo } = await import('./runtime/heic-to.js').catch(() => {
    throw new PhotoError(text('cannot_decode', { name })); // no network
  });
  try {
    return await heicTo({ blob: file, type: 'bitmap', options: { premultiplyAlpha: 'none' } });
  } catch {
    throw new PhotoError(text('damaged', { name }));
  }
}

const isHeic = (start) => /^....ftyp(hei[cx]|hev[cx]|mif1|msf1)/s.test(String.fromCharCode(...start));

// How JPEG, PNG, GIF, WebP and BMP begin, which every browser decodes, and other images.
const DAMAGED = ['ffd8ff', '89504e47', '47494638', '52494646', '424d'];
const OTHERS = [
  ...['49492a00', '4d4d002a', '49492b00', '4d4d002b', '38425053', 'ff0a', '0000000c4a584c20', '0000000c6a502020'],
  ...['ff4fff51', '49495500', '4949524f', '46554a4946494c4d', '25504446', '00000100'],
];

/** The text about a file that begins so and cannot be decoded: damaged, an image of another kind, or no image. */
export function reasonFor(start) {
  const digits = Array.from(start, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const begins = (prefix) => digits.startsWith(prefix);
  if (DAMAGED.some(begins)) return 'damaged';
  const isContainer = digits.slice(8, 16) === '66747970'; // ftyp: HEIC, AVIF, raw, video
  return isContainer || OTHERS.some(begins) ? 'cannot_decode' : 'no_image';
}

async function readPixels(bitmap, size) {
  const [h, w] = size;
  const canvas = new OffscreenCanvas(w, h);
  try {
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, 0, 0, w, h);
    let { data: pixels } = pen.getImageData(0, 0, w, h);
    const straight = isOpaque(pixels) ? null : pixels;
    if (straight) {
      pen.globalCompositeOperation = 'destination-over';
      pen.fillStyle = '#fff';
      pen.fillRect(0, 0, w, h);
      pixels = pen.getImageData(0, 0, w, h).data;
    }
    return { pixels, straight, size, source: await shrink(canvas, smallerSize(size, SHOWN) || size) };
  } finally {
    canvas.width = canvas.height = 0; // browsers keep the memory for long otherwise
  }
}

function isOpaque(pixels) {
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] < 255) return false;
  return true;
}

function shrink(canvas, [h, w]) {
  const small = new OffscreenCanvas(w, h);
  const pen = small.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(canvas, 0, 0, w, h);
  return small.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
}
