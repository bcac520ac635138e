// The finished image: objects with clean colours in a style, alone or over a background, as mam/compose/composition.py.

/** @import { Bytes, Layer, Photo, Size, Style } from './types.d.ts' */

import { addShadow, drawBackground, penFor, toCanvas } from './background.js';
import { tabulate } from './boxes.js';
import { addOutline, adjustEdges } from './edges.js';
import { foregroundColours } from './foreground.js';
import { frameFor, isPlaced, placeIn } from './placement.js';

/** The style of a cut-out as it is. @type {Style} */
export const PLAIN = {
  background: null,
  whole: false,
  position: [0.5, 0.5],
  shadow: 0,
  softness: 0,
  grow: 0,
  outline: 0,
  clean: true,
  placement: { aspect: null, scale: 1, offset: [0, 0], size: null, fill: null, position: null, part: 'all' },
};

/**
 * The objects with the style's edges: their RGBA pixels, invisible ones without a trace of the photo, and their alpha.
 * `own` marks pixels with the photo's own colours.
 * @type {(photo: Pick<Photo, 'pixels' | 'straight' | 'size'>, alpha: Bytes, own: Uint8Array | null, style: Style) => Layer}
 */
export function cutOut({ pixels, straight, size }, alpha, own, style) {
  let edged = adjustEdges(alpha, size, style);
  // No pixel is more opaque than the photo itself.
  if (straight) edged = edged.map((value, i) => Math.min(value, straight[4 * i + 3]));
  const colours = style.clean ? foregroundColours(pixels, edged, size) : pixels;
  const cut = new Uint8ClampedArray(pixels.length);
  for (let i = 0; i < edged.length; i += 1) {
    if (!edged[i]) continue;
    // Where the photo was transparent, its colours are known.
    const from = straight && straight[4 * i + 3] < 255 ? straight : own && own[i] ? pixels : colours;
    for (let c = 4 * i; c < 4 * i + 3; c += 1) cut[c] = from[c];
    cut[4 * i + 3] = edged[i];
  }
  return { pixels: cut, alpha: edged, size };
}

/** The objects in the style's frame, with its outline. @type {(layer: Layer, style: Style) => Layer} */
export function place(layer, { placement, outline }) {
  const placed = isPlaced(placement) ? drawIn(layer, placement) : layer;
  return outline ? addOutline(placed, outline) : placed;
}

function drawIn(layer, placement) {
  const size = frameFor(layer.size, placement);
  const pen = penFor(size);
  const at = placeIn(layer.alpha, layer.size, placement);
  const [height, width] = layer.size;
  if (at) pen.drawImage(toCanvas(layer.pixels, layer.size), at.left, at.top, width * at.scale, height * at.scale);
  const { data: pixels } = pen.getImageData(0, 0, size[1], size[0]);
  return { pixels, alpha: tabulate(new Uint8ClampedArray(pixels.length / 4), (i) => pixels[4 * i + 3]), size };
}

/**
 * Placed objects over the style's background, RGBA and opaque; without one, the objects.
 * @type {(layer: Layer, style: Style, photo: Layer) => Layer}
 */
export function putOver(layer, style, photo) {
  if (style.background === null) return layer;
  const { pixels, alpha, size } = layer;
  const behind = drawBackground(style, size, photo);
  if (style.shadow) addShadow(behind, alpha, size, style.shadow);
  for (let i = 0; i < behind.length; i += 1) {
    const share = alpha[i >> 2] / 255;
    if (i % 4 < 3 && share) behind[i] = Math.floor(pixels[i] * share + behind[i] * (1 - share) + 0.5);
  }
  return { pixels: behind, alpha: alpha.map(() => 255), size };
}
