// Removal of small holes inside the object and of specks far from it, in an alpha. As mam/masks/cleanup.py.

import { labelRegions } from './components.js';
import { dilate, reduce } from './pillow.js';

const GRID = 256, FAINT = 0.05, LARGEST_HOLE = 0.02, MOST_HOLES = 4, SIMILAR = 20, SHARE = 0.01, LARGEST_SPECK = 0.002, FAR = 3;

// Changes `alpha`, (h, w) float32. `mask` is (h, w) of 0 and 1, `pixels` (h, w, 3) uint8; points and labels are the clicks.
export function cleanUp(alpha, size, pixels, mask, points, labels) {
  const step = Math.max(1, Math.ceil(Math.max(...size) / GRID)), coarse = reduce(alpha, size, step);
  const cells = points.map((point) => point.map((value, axis) => (
    Math.trunc(Math.min(Math.max(Math.floor(value / step), 0), coarse.size[1 - axis] - 1)))));
  const clicked = (label) => cells.filter((_, i) => labels[i] === label).map(([x, y]) => y * coarse.size[1] + x);
  const holes = findHoles(coarse, size, pixels, mask, clicked(0), step), specks = findSpecks(coarse, clicked(1));
  setCells(alpha, size, holes, coarse.size[1], step, 1);
  setCells(alpha, size, specks, coarse.size[1], step, 0);
}

function setCells(alpha, [h, w], cells, columns, step, value) {
  cells.forEach((isSet, cell) => {
    if (!isSet) return;
    const x = (cell % columns) * step, top = Math.floor(cell / columns) * step;
    for (let y = top; y < Math.min(h, top + step); y += 1) alpha.fill(value, y * w + x, y * w + Math.min(w, x + step));
  });
}

function findHoles({ values: alpha, size: grid }, size, pixels, mask, clicked, step) {
  const none = new Uint8Array(alpha.length), empty = alpha.map((value) => (value < 0.5 ? 1 : 0)), [rows, columns] = grid;
  const { labels, count } = labelRegions(empty, grid), areas = sumBy(labels, count, () => 1);
  const isHole = areas.map((area) => area > 0);
  isHole[0] = false;
  for (let x = 0; x < columns; x += 1) isHole[labels[x]] = isHole[labels[(rows - 1) * columns + x]] = false;
  for (let y = 0; y < rows; y += 1) isHole[labels[y * columns]] = isHole[labels[(y + 1) * columns - 1]] = false;
  const isOutside = Array.from(labels, (label, i) => empty[i] && !isHole[label]);
  const object = alpha.length - empty.reduce((sum, value) => sum + value, 0);
  areas.forEach((area, label) => { if (!(area < LARGEST_HOLE * object)) isHole[label] = false; });
  for (const cell of clicked) isHole[labels[cell]] = false;
  if (!isHole.includes(true)) return none;
  const scaled = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i += 1) scaled[i] = mask[i] * 255;
  const covered = reduce(scaled, size, step).values, within = sumBy(labels, count, (i) => covered[i] / 255);
  areas.forEach((area, label) => { if (!(within[label] > area / 2)) isHole[label] = false; });
  const holes = isHole.filter(Boolean).length;
  if (!holes || holes > MOST_HOLES) return none;
  keepRareColours(isHole, labels, reduce(pixels, size, step, 3).values, isOutside);
  const filled = Uint8Array.from(labels, (label) => isHole[label]);
  const staysEmpty = dilate(Uint8Array.from(filled, (isFilled, i) => empty[i] && !isFilled), grid, 1);
  return dilate(filled, grid, 2).map((isNear, i) => isNear && !staysEmpty[i]);
}

function keepRareColours(isHole, labels, colours, isOutside) { // a hole of a colour of the outside is see-through
  const outside = [...isOutside.keys()].filter((i) => isOutside[i]), stride = Math.max(1, Math.floor(outside.length / 2000));
  const seen = outside.filter((_, i) => i % stride === 0);
  if (!seen.length) return;
  isHole.forEach((is, label) => {
    if (!is) return;
    const sums = [0, 0, 0];
    let area = 0;
    labels.forEach((own, i) => {
      if (own !== label) return;
      area += 1;
      for (let c = 0; c < 3; c += 1) sums[c] += colours[3 * i + c];
    });
    const mean = sums.map((sum) => Math.fround(sum / area));
    const similar = seen.filter((i) => mean.every((value, c) => Math.abs(colours[3 * i + c] - value) < SIMILAR)).length;
    isHole[label] = similar / seen.length < SHARE;
  });
}

function findSpecks({ values: alpha, size: grid }, clicked) {
  const visible = alpha.map((value) => (value > FAINT ? 1 : 0)), { labels, count } = labelRegions(visible, grid);
  const areas = sumBy(labels, count, (i) => alpha[i]);
  areas[0] = 0;
  const largest = areas.reduce((one, other) => Math.max(one, other)), isSmall = areas.map((area) => area < LARGEST_SPECK * largest);
  isSmall[0] = false;
  for (const cell of clicked) isSmall[labels[cell]] = false;
  isSmall[0] = false;
  const near = dilate(Uint8Array.from(labels, (label, i) => visible[i] && !isSmall[label]), grid, FAR);
  labels.forEach((label, i) => { if (near[i]) isSmall[label] = false; });
  return dilate(Uint8Array.from(labels, (label) => isSmall[label]), grid, 1);
}

function sumBy(labels, count, valueAt) {
  const sums = new Array(count).fill(0);
  labels.forEach((label, i) => { sums[label] += valueAt(i); });
  return sums;
}
