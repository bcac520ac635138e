// Make an alpha obey the clicks that it was computed for. As mam/masks/clicks.py.

import { gaussianBlur } from './pillow.js';

const OPAQUE = Math.fround(0.9), CLEAR = Math.fround(0.1), SIMILAR = 28, GRID = 256, EDGE = 1;
const BLUR_REACH = 4; // pixels that the blur of an edge reaches

// Changes `alpha`, (h, w) float32; the other arguments are those of `cleanUp`.
export function obeyClicks(alpha, size, pixels, mask, points, labels) {
  const [h, w] = size, isWrong = (i, label) => (label ? alpha[i] < OPAQUE : alpha[i] > CLEAR);
  const places = points.map(([x, y]) => [Math.trunc(Math.min(Math.max(x, 0), w - 1)), Math.trunc(Math.min(Math.max(y, 0), h - 1))]);
  places.forEach(([x, y], k) => {
    const label = labels[k];
    if (!isWrong(y * w + x, label)) return;
    const part = findPart(pixels, size, (i) => isWrong(i, label) && mask[i] === label, x, y);
    setPart(alpha, size, part, label);
  });
  places.forEach(([x, y], k) => { if (isWrong(y * w + x, labels[k])) alpha[y * w + x] = labels[k]; });
}

function setPart(alpha, [h, w], { part, box: [left, top, right, bottom] }, label) { // softened outwards
  const x0 = Math.max(0, left - BLUR_REACH), y0 = Math.max(0, top - BLUR_REACH);
  const x1 = Math.min(w, right + BLUR_REACH), y1 = Math.min(h, bottom + BLUR_REACH);
  const window = new Uint8Array((y1 - y0) * (x1 - x0));
  for (let y = y0; y < y1; y += 1) {
    for (let x = x0; x < x1; x += 1) window[(y - y0) * (x1 - x0) + x - x0] = part[y * w + x] * 255;
  }
  const soft = gaussianBlur(window, [y1 - y0, x1 - x0], EDGE);
  for (let y = y0; y < y1; y += 1) {
    for (let x = x0; x < x1; x += 1) {
      const i = y * w + x, share = Math.max(Math.fround(soft[(y - y0) * (x1 - x0) + x - x0] / 255), part[i]);
      alpha[i] = label ? Math.max(alpha[i], share) : Math.min(alpha[i], 1 - share);
    }
  }
}

// The connected pixels around (x, y) that may be changed and are similar in colour, and a box around them.
function findPart(pixels, [h, w], mayChange, x, y) {
  const near = meanColour(pixels, [h, w], x, y), similar = new Uint8Array(h * w);
  for (let i = 0; i < similar.length; i += 1) {
    similar[i] = Math.abs(pixels[3 * i] - near[0]) <= SIMILAR && Math.abs(pixels[3 * i + 1] - near[1]) <= SIMILAR
      && Math.abs(pixels[3 * i + 2] - near[2]) <= SIMILAR && mayChange(i) ? 1 : 0;
  }
  similar[y * w + x] = 1;
  const step = Math.max(1, Math.ceil(Math.max(h, w) / GRID)), rows = Math.ceil(h / step), columns = Math.ceil(w / step);
  const counts = new Int32Array(rows * columns);
  for (let row = 0; row < h; row += 1) {
    for (let column = 0; column < w; column += 1) counts[Math.floor(row / step) * columns + Math.floor(column / step)] += similar[row * w + column];
  }
  const start = Math.floor(y / step) * columns + Math.floor(x / step);
  const cells = counts.map((count, i) => (i === start || count >= (step * step) / 2 ? 1 : 0));
  const grown = grow(cells, [rows, columns], start);
  return keepCells(similar, grown, [h, w], step, columns);
}

function meanColour(pixels, [h, w], x, y) {
  const sums = [0, 0, 0];
  let count = 0;
  for (let row = Math.max(0, y - 1); row < Math.min(h, y + 2); row += 1) {
    for (let column = Math.max(0, x - 1); column < Math.min(w, x + 2); column += 1) {
      count += 1;
      for (let c = 0; c < 3; c += 1) sums[c] += pixels[3 * (row * w + column) + c];
    }
  }
  return sums.map((sum) => Math.fround(sum / count));
}

function grow(cells, [rows, columns], start) { // over sides and corners
  const part = new Uint8Array(cells.length), waiting = [start];
  part[start] = 1;
  while (waiting.length) {
    const cell = waiting.pop(), row = Math.floor(cell / columns), column = cell % columns;
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y += 1) {
      for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x += 1) {
        const next = y * columns + x;
        if (!cells[next] || part[next]) continue;
        part[next] = 1;
        waiting.push(next);
      }
    }
  }
  return part;
}

function keepCells(similar, cells, [h, w], step, columns) {
  let x0 = w, y0 = h, x1 = 0, y1 = 0;
  for (let y = 0; y < h; y += 1) {
    for (let x = 0; x < w; x += 1) {
      if (!similar[y * w + x]) continue;
      if (!cells[Math.floor(y / step) * columns + Math.floor(x / step)]) {
        similar[y * w + x] = 0;
        continue;
      }
      x0 = Math.min(x0, x);
      x1 = Math.max(x1, x + 1);
      y0 = Math.min(y0, y);
      y1 = Math.max(y1, y + 1);
    }
  }
  return { part: similar, box: [x0, y0, x1, y1] };
}
