// Makes an alpha obey the clicks that it was computed for; mam/masks/clicks.py says why.

/** @import { Box, Bytes, Photo, Segment, Size } from './types.d.ts' */

import { cellsIn, fullBox, maskBounds, padBox } from './boxes.js';
import { cellsOf, gridFor, labelRegions, pixelAt } from './regions.js';
import { BOX, resize } from './resample.js';

const OPAQUE = 230;
const CLEAR = 25;
const SIMILAR = 28; // levels

/** Changes the alpha of a segment, at the photo's size. @type {(alpha: Bytes, photo: Photo, segment: Segment) => void} */
export function obeyClicks(alpha, { pixels, size }, { mask, points, labels }) {
  const isWrong = (i, label) => (label ? alpha[i] < OPAQUE : alpha[i] > CLEAR);
  const clicks = points.map((point, k) => ({ place: pixelAt(point, size), label: labels[k] }));
  for (const { place, label } of clicks) {
    if (!isWrong(place[1] * size[1] + place[0], label)) continue;
    const mayChange = (i) => isWrong(i, label) && mask.values[i] > 0 === label > 0;
    setPart(alpha, size, findPart(pixels, size, mayChange, place), label);
  }
  for (const { place, label } of clicks) {
    const i = place[1] * size[1] + place[0];
    if (isWrong(i, label)) alpha[i] = 255 * label;
  }
}

/** The connected pixels around a place that may be changed and are similar in colour, as a mask. */
function findPart(pixels, [h, w], mayChange, [x, y]) {
  const near = resize(pixels, w, padBox([x, y, x + 1, y + 1], 1, [h, w]), [1, 1], BOX, 4);
  const similar = new Uint8ClampedArray(h * w);
  for (let i = 0; i < similar.length; i += 1) {
    const isSimilar =
      Math.abs(pixels[4 * i] - near[0]) <= SIMILAR &&
      Math.abs(pixels[4 * i + 1] - near[1]) <= SIMILAR &&
      Math.abs(pixels[4 * i + 2] - near[2]) <= SIMILAR;
    if (isSimilar && mayChange(i)) similar[i] = 255;
  }
  similar[y * w + x] = 255;
  const grid = gridFor([h, w]);
  const { columns, rows } = cellsOf([h, w], grid);
  const start = columns[x] + rows[y];
  // A cell belongs to the part if half of it does, so that thin bridges do not connect one thing to the next.
  const cells = resize(similar, w, fullBox([h, w]), grid, BOX).map((value, cell) =>
    Number(value >= 127 || cell === start),
  );
  const { labels } = labelRegions(cells, grid, true);
  return similar.map((value, i) => (labels[columns[i % w] + rows[Math.floor(i / w)]] === labels[start] ? value : 0));
}

/** Sets the alpha of a part, with an edge that is soft outwards. */
function setPart(alpha, size, part, label) {
  const w = size[1];
  for (const i of cellsIn(padBox(maskBounds(part, size), 1, size), w)) {
    const [x, y] = [i % w, Math.floor(i / w)];
    const share = part[i] || soften(part, size, x, y);
    alpha[i] = label ? Math.max(alpha[i], share) : Math.min(alpha[i], 255 - share);
  }
}

function soften(part, size, x, y) {
  const w = size[1];
  let sum = 0;
  for (const i of cellsIn(padBox([x, y, x + 1, y + 1], 1, size), w)) {
    sum += part[i] * (2 - Math.abs((i % w) - x)) * (2 - Math.abs(Math.floor(i / w) - y));
  }
  return sum / 16;
}
