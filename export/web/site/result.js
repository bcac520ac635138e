// The finished image: the shown objects with clean colours, or their alpha. As mam/composition.py.

import { foregroundColours } from './foreground.js';
import { toUint8 } from './messages.js';
import { downsample, downsampledSize } from './photo.js';
import { resize } from './pillow.js';
import { encodePng } from './png.js';

const LONGEST = 1280; // pixels of a preview

// 1 - (1 - a)(1 - b) at each pixel.
export function mergeAlphas(alphas) {
  const total = alphas[0].full();
  for (const alpha of alphas.slice(1)) alpha.full().forEach((value, i) => { total[i] += value - total[i] * value; });
  return total;
}

// Previews for the page: {cutout, alpha} as PNG.
export async function drawPreviews(photo, alphas) {
  const merged = mergeAlphas(alphas), size = downsampledSize(photo.size, LONGEST);
  if (!photo.small) photo.small = downsample(photo, LONGEST);
  const alpha = toUint8(size ? resize(merged, photo.size, size, 'box') : merged);
  return { cutout: await cutout(photo.small, alpha), alpha: await encodePng(alpha, photo.small.size, 1) };
}

// A file at full size, "cutout" or "alpha".
export function save(photo, alphas, form) {
  const alpha = toUint8(mergeAlphas(alphas));
  return form === 'alpha' ? encodePng(alpha, photo.size, 1) : cutout(photo, alpha);
}

function cutout(photo, alpha) {
  const colours = foregroundColours(photo.pixels, alpha, photo.size), pixels = new Uint8Array(4 * alpha.length);
  for (let i = 0; i < alpha.length; i += 1) {
    if (!alpha[i]) continue; // no trace of the rest of the photo is left in the file
    const from = photo.alpha && photo.alpha[i] < 255 ? photo.straight : colours; // where it was transparent, its colours are known
    pixels[4 * i] = from[3 * i];
    pixels[4 * i + 1] = from[3 * i + 1];
    pixels[4 * i + 2] = from[3 * i + 2];
    pixels[4 * i + 3] = alpha[i];
  }
  return encodePng(pixels, photo.size, 4);
}
