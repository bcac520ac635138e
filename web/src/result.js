// The finished image: the shown objects with clean colours, alone or over a background, or their alpha. As mam/compose/composition.py.

import { foregroundColours } from './foreground.js';
import { toUint8 } from './messages.js';
import { decode, downsample, downsampledSize } from './photo.js';
import { resize } from './pillow.js';
import { encodePng } from './png.js';

const LONGEST = 1280; // pixels of a preview, at most

// 1 - (1 - a)(1 - b) at each pixel, of values in [0, most].
export function mergeAlphas(alphas, most = 1) {
  const [first, ...others] = alphas, total = others.length ? first.slice() : first;
  for (const alpha of others) for (let i = 0; i < total.length; i += 1) total[i] += alpha[i] - (total[i] * alpha[i]) / most;
  return total;
}

// A background from what the page sends: null, a colour [r, g, b], or a bitmap.
export async function readBackground(chosen) {
  if (typeof chosen === 'string') return [1, 3, 5].map((at) => parseInt(chosen.slice(at, at + 2), 16));
  return chosen && decode(chosen, chosen.name);
}

// Previews for the page, {cutout, alpha} as PNG, of this longest side.
export async function drawPreviews(photo, mattes, background, longest) {
  const side = Math.min(longest, LONGEST), { values, size } = mergeSmall(mattes), smaller = downsampledSize(photo.size, side);
  if (!photo.small || photo.small.side !== side) photo.small = { ...downsample(photo, side), side };
  const alpha = smaller ? resize(values, size, smaller, 'box') : values;
  return { cutout: await compose(photo.small, alpha, background, findOwnColours(mattes, photo.small.size)), alpha: await encodePng(alpha, photo.small.size, 1) };
}

function mergeSmall(mattes) { // the alphas on the screen
  return { values: mergeAlphas(mattes.map(({ small }) => small.values), 255), size: mattes[0].small.size };
}

// A file at full size, "cutout" or "alpha".
export function save(photo, mattes, form, background) {
  const alpha = toUint8(mergeAlphas(mattes.map((matte) => matte.alpha.full())));
  return form === 'alpha' ? encodePng(alpha, photo.size, 1) : compose(photo, alpha, background, findOwnColours(mattes, photo.size));
}

// Where strokes left pixels with the photo's own colours, (h, w) of 0 and 1 at any size; null if nowhere.
function findOwnColours(mattes, [h, w]) {
  const patches = mattes.flatMap(({ ownColours }) => ownColours || []), own = patches.length ? new Uint8Array(h * w) : null;
  for (const patch of patches) {
    const [height, width] = patch.size;
    for (let y = 0, i = 0; y < h; y += 1) {
      for (let x = 0; x < w; x += 1, i += 1) own[i] |= patch.at(Math.floor(((x + 0.5) * width) / w), Math.floor(((y + 0.5) * height) / h));
    }
  }
  return own;
}

function compose(photo, alpha, background, own) {
  const colours = foregroundColours(photo.pixels, alpha, photo.size), behind = background && fill(background, photo.size);
  const bands = behind ? 3 : 4, pixels = behind || new Uint8Array(bands * alpha.length);
  for (let i = 0; i < alpha.length; i += 1) {
    if (!alpha[i]) continue; // no trace of the rest of the photo is left in the file
    const from = photo.alpha && photo.alpha[i] < 255 ? photo.straight : own && own[i] ? photo.pixels : colours; // where it was transparent, its colours are known
    const share = behind ? alpha[i] / 255 : 1;
    for (let c = 0; c < 3; c += 1) pixels[bands * i + c] = from[3 * i + c] * share + pixels[bands * i + c] * (1 - share) + 0.5;
    if (!behind) pixels[4 * i + 3] = alpha[i];
  }
  return encodePng(pixels, photo.size, bands);
}

function fill(background, [h, w]) { // (h, w, 3) of one colour, or of an image that covers the frame
  if (Array.isArray(background)) return new Uint8Array(3 * h * w).map((_, i) => background[i % 3]);
  const scale = Math.max(w / background.width, h / background.height), pen = new OffscreenCanvas(w, h).getContext('2d');
  const width = background.width * scale, height = background.height * scale;
  pen.imageSmoothingQuality = 'high';
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, w, h);
  pen.drawImage(background, (w - width) / 2, (h - height) / 2, width, height);
  const { data } = pen.getImageData(0, 0, w, h), pixels = new Uint8Array(3 * h * w);
  for (let i = 0; i < h * w; i += 1) pixels.set([data[4 * i], data[4 * i + 1], data[4 * i + 2]], 3 * i);
  return pixels;
}
