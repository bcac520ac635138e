// Previews and files of the shown objects in a style.

/** @import { Bytes, Layer, Matte, Photo, Style } from './types.d.ts' */

import { fullBox, isSame, tabulate } from './boxes.js';
import { PLAIN, cutOut, place, putOver } from './composition.js';
import { penFor } from './background.js';
import { encodePng } from './png.js';
import { BOX, resize, smallerSize } from './resample.js';

const LONGEST = 1280; // pixels of a preview, at most
const QUALITY = 0.92; // of JPEG and WebP

/** The files that can be saved: the type, what is in them, and how their names end. */
export const FORMS = {
  format_png: { type: 'image/png', kind: 'result', ending: '_result.png' },
  format_jpeg: { type: 'image/jpeg', kind: 'result', ending: '_result.jpg' },
  format_webp: { type: 'image/webp', kind: 'result', ending: '_result.webp' },
  format_cutout: { type: 'image/png', kind: 'cutout', ending: '_cutout.png' },
  format_alpha: { type: 'image/png', kind: 'alpha', ending: '_alpha.png' },
};

/** 1 - (1 - a)(1 - b) at each pixel. @type {(alphas: Bytes[]) => Bytes} */
export function mergeAlphas([first, ...others]) {
  const total = others.length ? first.slice() : first;
  for (const alpha of others) {
    for (let i = 0; i < total.length; i += 1) total[i] += alpha[i] - (total[i] * alpha[i]) / 255;
  }
  return total;
}

/** Draws previews; it keeps what does not change while a visitor tries backgrounds. */
export class Previews {
  /** What the kept layer was made of. @type {any[]} */
  made = [];
  /** @type {any} */
  layer = null;

  forget() {
    this.made = [];
    this.layer = null;
  }

  /**
   * PNG files of this longest side for the page.
   * @type {(photo: Photo, mattes: Matte[], style: Style, longest: number) => Promise<object>}
   */
  async draw(photo, mattes, style, longest) {
    const size = smallerSize(photo.size, Math.min(longest, LONGEST)) || photo.size;
    const shrink = (values, [h, w], bands) => values && resize(values, w, fullBox([h, w]), size, BOX, bands);
    if (!photo.small || !isSame(photo.small.size, size)) {
      photo.small = {
        size,
        pixels: shrink(photo.pixels, photo.size, 4),
        straight: shrink(photo.straight, photo.size, 4),
      };
    }
    const made = [photo.small, style.softness, style.grow, style.clean, ...mattes.map(({ small }) => small)];
    if (made.length !== this.made.length || !isSame(made, this.made)) {
      const alpha = shrink(mergeAlphas(mattes.map((matte) => matte.small.values)), mattes[0].small.size, 1);
      this.layer = cutOut(photo.small, alpha, findOwnColours(mattes, photo.size, size), style);
      this.made = made;
    }
    const { placement } = style;
    const frame = placement.size && (smallerSize(placement.size, LONGEST) || placement.size);
    const placed = place(this.layer, { ...style, placement: { ...placement, size: frame } });
    const finished = putOver(placed, style, { ...photo.small, alpha: this.layer.alpha });
    return {
      cutout: await encode(finished, style),
      alpha: await encodePng(placed.alpha, placed.size, 1),
    };
  }
}

/** A file at full size. @type {(photo: Photo, mattes: Matte[], form: string, style: Style) => Promise<Blob>} */
export async function save(photo, mattes, form, style) {
  const { type, kind } = FORMS[form];
  const alpha = mergeAlphas(mattes.map((matte) => matte.alpha));
  const chosen = type === 'image/jpeg' && style.background === null ? { ...style, background: '#ffffff' } : style;
  const layer = cutOut(photo, alpha, findOwnColours(mattes, photo.size, photo.size), chosen);
  const placed = place(layer, chosen);
  if (kind === 'alpha') return encodePng(placed.alpha, placed.size, 1);
  const finished = kind === 'cutout' ? placed : putOver(placed, chosen, { ...photo, alpha: layer.alpha });
  if (type === 'image/png') return encode(finished, kind === 'cutout' ? PLAIN : chosen);
  const pen = penFor(finished.size);
  pen.putImageData(new ImageData(/** @type {any} */ (finished.pixels), finished.size[1], finished.size[0]), 0, 0);
  return pen.canvas.convertToBlob({ type, quality: QUALITY });
}

/** A PNG file, without alpha over a background. @type {(layer: Layer, style: Style) => Promise<Blob>} */
function encode({ pixels, size }, { background }) {
  if (background === null) return encodePng(pixels, size, 4);
  const opaque = tabulate(
    new Uint8ClampedArray((pixels.length / 4) * 3),
    (i) => pixels[Math.floor(i / 3) * 4 + (i % 3)],
  );
  return encodePng(opaque, size, 3);
}

/** Where strokes left pixels with the photo's own colours, 0 or 1 at a size. */
function findOwnColours(mattes, [height, width], [h, w]) {
  const masks = mattes.flatMap(({ ownColours }) => ownColours || []);
  const at = (i) =>
    Math.floor(((Math.floor(i / w) + 0.5) * height) / h) * width + Math.floor((((i % w) + 0.5) * width) / w);
  return masks.length ? tabulate(new Uint8Array(h * w), (i) => masks.some((mask) => mask[at(i)])) : null;
}
