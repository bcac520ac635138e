// Removal of small holes inside the object and of specks far from it, in an alpha; mam/masks/cleanup.py says why.

/** @import { Bytes, Photo, Segment, Size } from './types.d.ts' */

import { fullBox } from './boxes.js';
import { cellsOf, dilate, gridFor, labelRegions, pixelAt, sumRegions } from './regions.js';
import { BOX, resize } from './resample.js';

const FAINT = 12; // of 255
const LARGEST_HOLE = 0.02; // of the object
const MOST_HOLES = 4;
const SIMILAR = 20; // levels
const RARE = 0.01; // of the cells outside
const SPECKS = [
  { largest: 0.002, far: 3 },
  { largest: 0.05, far: 8 },
]; // parts of the object, and cells

/** Changes the alpha of a segment, at the photo's size. @type {(alpha: Bytes, photo: Photo, segment: Segment) => void} */
export function cleanUp(alpha, { pixels, size }, { mask, points, labels }) {
  const grid = gridFor(size);
  const { columns, rows } = cellsOf(size, grid);
  const shrink = (values, bands = 1) => resize(values, size[1], fullBox(size), grid, BOX, bands);
  const clicked = (label) => {
    const pixels = points.filter((_, i) => labels[i] === label).map((point) => pixelAt(point, size));
    return pixels.map(([x, y]) => columns[x] + rows[y]);
  };
  const coarse = shrink(alpha);
  const holes = findHoles(coarse, grid, clicked(0), mask.values, pixels, shrink);
  const specks = findSpecks(coarse, grid, clicked(1));
  for (let y = 0, i = 0; y < size[0]; y += 1) {
    for (let x = 0; x < size[1]; x += 1, i += 1) {
      const cell = columns[x] + rows[y];
      if (holes[cell]) alpha[i] = 255;
      if (specks[cell]) alpha[i] = 0;
    }
  }
}

function findHoles(alpha, grid, clicked, mask, pixels, shrink) {
  const empty = alpha.map((value) => (value < 128 ? 1 : 0));
  const regions = labelRegions(empty, grid);
  const areas = sumRegions(regions, () => 1);
  const isHole = areas.map((_, label) => label > 0);
  regions.labels.forEach((label, cell) => {
    const [x, y] = [cell % grid[1], Math.floor(cell / grid[1])];
    if (!x || !y || x === grid[1] - 1 || y === grid[0] - 1) isHole[label] = false;
  });
  const outside = [...empty.keys()].filter((cell) => empty[cell] && !isHole[regions.labels[cell]]);
  for (const cell of clicked) isHole[regions.labels[cell]] = false;
  const largest = LARGEST_HOLE * alpha.filter((value) => value >= 128).length;
  areas.forEach((area, label) => (isHole[label] &&= area < largest));
  if (!isHole.includes(true)) return [];
  const covered = shrink(mask);
  const within = sumRegions(regions, (cell) => covered[cell] / 255);
  areas.forEach((area, label) => (isHole[label] &&= within[label] > area / 2));
  if (isHole.filter(Boolean).length > MOST_HOLES) return [];
  const colours = shrink(pixels, 4);
  const means = [0, 1, 2].map((c) => sumRegions(regions, (cell) => colours[4 * cell + c]));
  const isLike = (cell, label) =>
    means.every((sums, c) => Math.abs(colours[4 * cell + c] - sums[label] / areas[label]) < SIMILAR);
  areas.forEach((_, label) => {
    isHole[label] &&= outside.filter((cell) => isLike(cell, label)).length <= RARE * outside.length; // else see-through
  });
  const isFilled = (cell) => isHole[regions.labels[cell]];
  const stays = dilate((cell) => empty[cell] && !isFilled(cell), grid, 1);
  return dilate(isFilled, grid, 2).map((value, cell) => Number(value && !stays[cell])); // with its soft edge
}

function findSpecks(alpha, grid, clicked) {
  const visible = alpha.map((value) => (value > FAINT ? 1 : 0));
  const regions = labelRegions(visible, grid);
  const areas = sumRegions(regions, (cell) => alpha[cell]);
  areas[0] = 0;
  const object = areas.reduce((one, other) => Math.max(one, other));
  const isSpeck = areas.map(() => false);
  for (const { largest, far } of SPECKS) {
    const isSmall = areas.map((area) => area < largest * object);
    for (const cell of clicked) isSmall[regions.labels[cell]] = false;
    isSmall[0] = false;
    const near = dilate((cell) => visible[cell] && !isSmall[regions.labels[cell]], grid, far);
    regions.labels.forEach((label, cell) => (isSmall[label] &&= !near[cell]));
    isSmall.forEach((small, label) => (isSpeck[label] ||= small));
  }
  return dilate((cell) => isSpeck[regions.labels[cell]], grid, 1);
}
