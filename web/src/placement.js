// Where objects stand in the frame of the finished image, as in mam/compose/placement.py.

/** @import { Box, Bytes, Size, Style } from './types.d.ts' */

import { maskBounds } from './boxes.js';

const MARGIN = 0.05; // of the frame, kept free around objects that are made smaller to fit
const VISIBLE = 8; // of 255; fainter pixels do not count for the objects' bounds

/** @type {(style: Style) => boolean} */
export const isPlaced = ({ aspect, scale, shift }) => aspect !== null || scale !== 1 || shift.some(Boolean);

/**
 * The frame for a photo of a size: of the same longest side, unless it had more than twice the pixels.
 * @type {(size: Size, aspect: number | null) => Size}
 */
export function frameFor([h, w], aspect) {
  if (aspect === null) return [h, w];
  const longest = Math.max(h, w);
  const frame = aspect >= 1 ? [longest / aspect, longest] : [longest, longest * aspect];
  const shrink = Math.min(1, Math.sqrt((2 * h * w) / (frame[0] * frame[1])));
  return /** @type {Size} */ (frame.map((side) => Math.max(1, Math.round(side * shrink))));
}

/**
 * Where the whole photo goes in the frame, so that the objects of this alpha are placed; null if nothing is visible.
 * @type {(alpha: Bytes, size: Size, style: Style) => { left: number, top: number, scale: number } | null}
 */
export function placeIn(alpha, [h, w], { aspect, scale, shift }) {
  const visible = alpha.map((value) => (value > VISIBLE ? 255 : 0));
  const bounds = maskBounds(visible, [h, w]);
  if (!bounds) return null;
  const [height, width] = frameFor([h, w], aspect);
  const [x0, y0, x1, y1] = bounds;
  let times = scale;
  if (aspect !== null)
    times *= Math.min(1, ((1 - 2 * MARGIN) * height) / (y1 - y0), ((1 - 2 * MARGIN) * width) / (x1 - x0));
  const start = (first, end, side, room) => startOf(first, end, side, room, times, aspect !== null);
  return {
    left: Math.round(start(x0, x1, w, width) + shift[0] * width),
    top: Math.round(start(y0, y1, h, height) + shift[1] * height),
    scale: times,
  };
}

/** Objects that reach one edge of the photo, where they are cut off, stay at it; others are centred in a new frame. */
function startOf(first, end, side, room, scale, isCentred) {
  const [isAtStart, isAtEnd] = [first === 0, end === side];
  if (isAtStart !== isAtEnd) return isAtStart ? 0 : room - side * scale;
  const middle = (first + end) / 2;
  return (isCentred ? room / 2 : middle) - middle * scale;
}
