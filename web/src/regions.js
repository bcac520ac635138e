// Connected regions of masks, on grids of at most 256 cells a side.

/** @import { Box, Bytes, Mask, Point, Size } from './types.d.ts' */

import { clamp, maskBounds, tabulate } from './boxes.js';

const GRID = 256;
const ISLAND = 0.1;
const GAP = 5;

const stepFor = (size) => Math.max(1, Math.ceil(Math.max(...size) / GRID));

/** @type {(size: Size) => Size} */
export const gridFor = ([h, w]) => [Math.ceil(h / stepFor([h, w])), Math.ceil(w / stepFor([h, w]))];

/**
 * Where pixels lie on a grid: the cell of (x, y) is columns[x] + rows[y].
 * @type {(size: Size, grid: Size) => { columns: Int32Array, rows: Int32Array }}
 */
export function cellsOf([h, w], grid) {
  const columns = Int32Array.from({ length: w }, (_, x) => Math.floor((x * grid[1]) / w));
  const rows = Int32Array.from({ length: h }, (_, y) => Math.floor((y * grid[0]) / h) * grid[1]);
  return { columns, rows };
}

/** The pixel of the photo that a click means. @type {(point: Point, size: Size) => Point} */
export const pixelAt = ([x, y], [h, w]) => [clamp(Math.floor(x), 0, w - 1), clamp(Math.floor(y), 0, h - 1)];

/**
 * Numbers the regions of cells that are connected by their sides, or by corners too: 0 outside, 1, 2, ...
 * @type {(cells: ArrayLike<number>, size: Size, byCorners?: boolean) => { labels: Int32Array, count: number }}
 */
export function labelRegions(cells, [h, w], byCorners = false) {
  const labels = new Int32Array(h * w);
  const waiting = [];
  let count = 1;
  const visit = (x, y) => {
    const cell = y * w + x;
    if (x < 0 || x >= w || y < 0 || y >= h || !cells[cell] || labels[cell]) return false;
    labels[cell] = count;
    return waiting.push(cell);
  };
  for (let start = 0; start < labels.length; start += 1) {
    if (!visit(start % w, Math.floor(start / w))) continue;
    while (waiting.length) {
      const cell = waiting.pop();
      const [x, y] = [cell % w, Math.floor(cell / w)];
      for (let dy = -1; dy <= 1; dy += 1) {
        for (let dx = -1; dx <= 1; dx += 1) if (byCorners || !dx || !dy) visit(x + dx, y + dy);
      }
    }
    count += 1;
  }
  return { labels, count };
}

/** A value per region: the sum of what a function returns for its cells. */
export function sumRegions({ labels, count }, valueAt) {
  const sums = new Array(count).fill(0);
  labels.forEach((label, cell) => (sums[label] += valueAt(cell)));
  return sums;
}

/**
 * Whether any cell within `reach` rows and columns is set, as 0 and 1.
 * @type {(isSet: (cell: number) => any, size: Size, reach: number) => Uint8Array}
 */
export function dilate(isSet, [h, w], reach) {
  const grown = new Uint8Array(h * w);
  for (let cell = 0; cell < grown.length; cell += 1) {
    if (!isSet(cell)) continue;
    const [x, y] = [cell % w, Math.floor(cell / w)];
    for (let row = Math.max(0, y - reach); row <= Math.min(h - 1, y + reach); row += 1) {
      grown.fill(1, row * w + Math.max(0, x - reach), row * w + Math.min(w, x + reach + 1));
    }
  }
  return grown;
}

/** Every step-th value of a mask. @type {(mask: Mask) => Bytes} */
export function thin({ values, size: [h, w] }) {
  const step = stepFor([h, w]);
  const [rows, columns] = gridFor([h, w]);
  const at = (i) => Math.floor(i / columns) * step * w + (i % columns) * step;
  return tabulate(new Uint8ClampedArray(rows * columns), (i) => values[at(i)]);
}

/**
 * The box around a mask without its islands, the regions under a tenth of it; null for an empty mask.
 * @type {(mask: Mask) => Box | null}
 */
export function boundsWithoutIslands(mask) {
  const grid = gridFor(mask.size);
  const regions = labelRegions(thin(mask), grid);
  const areas = sumRegions(regions, () => 1);
  areas[0] = 0;
  const least = Math.max(1, ISLAND * areas.reduce((sum, area) => sum + area, 0));
  const isKept = tabulate(new Uint8ClampedArray(regions.labels.length), (i) =>
    areas[regions.labels[i]] >= least ? 255 : 0,
  );
  const bounds = maskBounds(isKept, grid);
  if (!bounds) return mask.box;
  const [x0, y0, x1, y1] = bounds.map((value) => value * stepFor(mask.size));
  return [x0, y0, Math.min(x1, mask.size[1]), Math.min(y1, mask.size[0])];
}

/** Whether two masks of a photo are separate objects. @type {(one: Mask, other: Mask) => boolean} */
export function areApart(one, other) {
  const [cells, others] = [thin(one), thin(other)];
  const grown = dilate((cell) => cells[cell], gridFor(one.size), GAP);
  return !others.some((value, cell) => value && grown[cell]);
}
