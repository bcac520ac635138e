// The finished image: the shown objects with clean colours, alone or over a background, or their alpha.

/** @import { Bytes, Matte, Photo, Size } from './types.d.ts' */

import { fullBox, isSame, tabulate } from './boxes.js';
import { foregroundColours } from './foreground.js';
import { encodePng } from './png.js';
import { BOX, resize, smallerSize } from './resample.js';

const LONGEST = 1280; // pixels of a preview, at most

/** 1 - (1 - a)(1 - b) at each pixel. @type {(alphas: Bytes[]) => Bytes} */
export function mergeAlphas([first, ...others]) {
  const total = others.length ? first.slice() : first;
  for (const alpha of others) {
    for (let i = 0; i < total.length; i += 1) total[i] += alpha[i] - (total[i] * alpha[i]) / 255;
  }
  return total;
}

/**
 * PNG files of this longest side for the page.
 * @type {(photo: Photo, mattes: Matte[], background: string | ImageBitmap | null, longest: number) => Promise<object>}
 */
export async function drawPreviews(photo, mattes, background, longest) {
  const size = smallerSize(photo.size, Math.min(longest, LONGEST)) || photo.size;
  const shrink = (values, [h, w], bands) => values && resize(values, w, fullBox([h, w]), size, BOX, bands);
  if (!photo.small || !isSame(photo.small.size, size)) {
    photo.small = {
      size,
      pixels: shrink(photo.pixels, photo.size, 4),
      straight: shrink(photo.straight, photo.size, 4),
    };
  }
  const merged = mergeAlphas(mattes.map((matte) => matte.small.values));
  const alpha = shrink(merged, mattes[0].small.size, 1);
  const own = findOwnColours(mattes, photo.size, size);
  return { cutout: await compose(photo.small, alpha, background, own), alpha: await encodePng(alpha, size, 1) };
}

/**
 * A file at full size.
 * @type {(photo: Photo, mattes: Matte[], form: 'cutout' | 'alpha', background: string | ImageBitmap | null) => Promise<Blob>}
 */
export function save(photo, mattes, form, background) {
  const alpha = mergeAlphas(mattes.map((matte) => matte.alpha));
  if (form === 'alpha') return encodePng(alpha, photo.size, 1);
  return compose(photo, alpha, background, findOwnColours(mattes, photo.size, photo.size));
}

/** Where strokes left pixels with the photo's own colours, 0 or 1 at a size. */
function findOwnColours(mattes, [height, width], [h, w]) {
  const masks = mattes.flatMap(({ ownColours }) => ownColours || []);
  const at = (i) =>
    Math.floor(((Math.floor(i / w) + 0.5) * height) / h) * width + Math.floor((((i % w) + 0.5) * width) / w);
  return masks.length ? tabulate(new Uint8Array(h * w), (i) => masks.some((mask) => mask[at(i)])) : null;
}

function compose({ pixels, straight, size }, alpha, background, own) {
  const colours = foregroundColours(pixels, alpha, size);
  const bands = background ? 3 : 4;
  const result = background ? fill(background, size) : new Uint8ClampedArray(bands * alpha.length);
  for (let i = 0; i < alpha.length; i += 1) {
    if (!alpha[i]) continue; // no trace of the rest of the photo is left in the file
    // Where the photo was transparent, its colours are known.
    const from = straight && straight[4 * i + 3] < 255 ? straight : own && own[i] ? pixels : colours;
    const share = background ? alpha[i] / 255 : 1;
    for (let c = 0; c < 3; c += 1) {
      result[bands * i + c] = from[4 * i + c] * share + result[bands * i + c] * (1 - share);
    }
    if (!background) result[4 * i + 3] = alpha[i];
  }
  return encodePng(result, size, bands);
}

/** RGB pixels of one colour "#rrggbb", or of a bitmap that covers the size. @type {(background: any, size: Size) => Bytes} */
function fill(background, [h, w]) {
  const pen = new OffscreenCanvas(w, h).getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.fillStyle = typeof background === 'string' ? background : '#fff';
  pen.fillRect(0, 0, w, h);
  if (typeof background !== 'string') {
    const scale = Math.max(w / background.width, h / background.height);
    const [width, height] = [background.width * scale, background.height * scale];
    pen.drawImage(background, (w - width) / 2, (h - height) / 2, width, height);
  }
  const { data } = pen.getImageData(0, 0, w, h);
  return tabulate(new Uint8ClampedArray(3 * h * w), (i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
}
