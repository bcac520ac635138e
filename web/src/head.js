// Where the head of a person is, from the outline alone, as in mam/compose/head.py.

/** @import { Box, Bytes, Size } from './types.d.ts' */

import { clamp, maskBounds, tabulate } from './boxes.js';

const NECK = 0.8; // of the head's width is the neck at most
const WIDER = 1.2; // times the neck are the shoulders at least
const HEIGHT = 0.55; // of the shoulders' width is a head whose neck is hidden

/** The box around a head and its hair; null for an empty mask. @type {(mask: Bytes, size: Size) => Box | null} */
export function findHead(mask, size) {
  const bounds = maskBounds(mask, size);
  if (!bounds) return null;
  const [, top, , end] = bounds;
  const w = size[1];
  const counts = tabulate(new Float64Array(end - top), (y) => countIn(mask.subarray((top + y) * w, (top + y + 1) * w)));
  const reach = Math.max(1, Math.floor(counts.length / 40));
  const widths = counts.map((_, y) => {
    let sum = 0;
    for (let by = -reach; by <= reach; by += 1) sum += counts[clamp(y + by, 0, counts.length - 1)];
    return sum / (2 * reach + 1);
  });
  const widest = widths.reduce((one, other) => Math.max(one, other));
  const height = findNeck(widths) || clamp(Math.round(HEIGHT * widest), 1, widths.length);
  const [x0, , x1] = maskBounds(mask.subarray(top * w, (top + height) * w), [height, w]);
  return [x0, top, x1, top + height];
}

const countIn = (row) => row.reduce((sum, value) => sum + Number(value > 0), 0);

/** The row of the neck; 0 if there is none. */
function findNeck(widths) {
  let head = 0;
  for (let y = 0; y < widths.length; y += 1) {
    head = Math.max(head, widths[y]);
    if (widths[y] >= NECK * head) continue;
    let neck = y;
    for (let at = y; at < widths.length; at += 1) {
      if (widths[at] < widths[neck]) neck = at;
      if (widths[at] > WIDER * widths[neck]) return neck;
    }
  }
  return 0;
}
