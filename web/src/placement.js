// Where objects stand in the frame of the finished image, as in mam/compose/placement.py.

/** @import { Bytes, Placement, Size } from './types.d.ts' */

import { maskBounds } from './boxes.js';
import { findHead } from './head.js';

const MARGIN = 0.05; // of the frame, kept free around objects that are made smaller to fit
const VISIBLE = 8; // of 255; fainter pixels do not count for the objects' bounds

/** @type {(placement: Placement) => boolean} */
export const isPlaced = ({ aspect, scale, offset, size, fill, position }) =>
  [aspect, size, fill, position].some((value) => value !== null) || scale !== 1 || offset.some(Boolean);

/**
 * The frame for a photo of a size: its own size, or of the same longest side, unless it had more than twice the pixels.
 * @type {(size: Size, placement: Pick<Placement, 'aspect' | 'size'>) => Size}
 */
export function frameFor([h, w], { aspect, size }) {
  if (size !== null) return size;
  if (aspect === null) return [h, w];
  const longest = Math.max(h, w);
  const frame = aspect >= 1 ? [longest / aspect, longest] : [longest, longest * aspect];
  const shrink = Math.min(1, Math.sqrt((2 * h * w) / (frame[0] * frame[1])));
  return /** @type {Size} */ (frame.map((side) => Math.max(1, Math.round(side * shrink))));
}

/**
 * Where the whole photo goes in the frame, so that the objects of this alpha are placed; null if nothing is visible.
 * @type {(alpha: Bytes, size: Size, placement: Placement) => { left: number, top: number, scale: number } | null}
 */
export function placeIn(alpha, [h, w], placement) {
  const { aspect, offset, size, fill, position, part } = placement;
  const above = (least) => alpha.map((value) => (value > least ? 255 : 0));
  const bounds = maskBounds(above(VISIBLE), [h, w]);
  if (!bounds) return null;
  const isHead = part === 'head';
  const [x0, y0, x1, y1] = (isHead && findHead(above(127), [h, w])) || bounds;
  const [height, width] = frameFor([h, w], placement);
  const isReshaped = aspect !== null || size !== null;
  const fits = [height / (y1 - y0), width / (x1 - x0)]; // scales that fill the frame's height and width
  const filling = isHead ? fits[0] : Math.min(...fits);
  let { scale } = placement;
  if (fill !== null) scale *= fill * filling;
  else if (isReshaped) scale *= Math.min(1, (1 - 2 * MARGIN) * filling);
  const start = (first, end, side, room, axis) =>
    Math.round(startOf(first, end, side, room, scale, isReshaped, position && position[axis]) + offset[axis] * room);
  const left = start(x0, x1, w, width, 0);
  const top = start(y0, y1, h, height, 1);
  const isBust = isHead && bounds[3] === h; // which ends where the photo does, and stands on the frame's edge
  return { left, top: isBust ? Math.max(top, height - Math.round(h * scale)) : top, scale };
}

/** Objects that reach one edge of the photo, where they are cut off, stay at it; others are centred in a new frame. */
function startOf(first, end, side, room, scale, isCentred, position) {
  if (position !== null) return position * (room - (end - first) * scale) - first * scale;
  const [isAtStart, isAtEnd] = [first === 0, end === side];
  if (isAtStart !== isAtEnd) return isAtStart ? 0 : room - side * scale;
  const middle = (first + end) / 2;
  return (isCentred ? room / 2 : middle) - middle * scale;
}
