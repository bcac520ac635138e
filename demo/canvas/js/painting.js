// Strokes of the brush that erases and restores, on the canvas while they are drawn, and in the static site's results. As
// mam/masks/painting.py, with its arithmetic. Arrays are flat and row by row.

const SPACING = 0.25,
  LINE = 0.25,
  BIN_WIDTH = 8,
  BINS = 256 / BIN_WIDTH,
  COMMON = 0.95,
  LIKE = 2,
  UNLIKE = 5,
  SPOT_GRID = 512,
  ALIKE = 0.9,
  OPAQUE = Math.fround(254.5 / 255);

// Changes `alpha`, (h, w) float32, and `own`, (h, w) of 0 and 1: the pixels that are to keep the image's own colours.
// `pixels` is (h, w, bands) uint8; strokes are {xy, size, softness, label, snap}.
function paint(alpha, own, pixels, [h, w], bands, strokes) {
  for (const stroke of strokes) {
    const { shares, isPure, box } = findFootprint(stroke, pixels, [h, w], bands),
      [x0, y0, x1, y1] = box;
    for (let y = y0, i = 0; y < y1; y += 1) {
      for (let x = x0; x < x1; x += 1, i += 1) {
        const at = y * w + x;
        if (isPure[i] && (stroke.label || alpha[at] > OPAQUE)) own[at] = 1;
        if (shares[i]) alpha[at] = stroke.label ? alpha[at] + shares[i] * (1 - alpha[at]) : alpha[at] * (1 - shares[i]);
      }
    }
  }
}

// How much a stroke changes the pixels of a box: {shares, (h, w) float32 in [0, 1], isPure, where the edge is the brush's, box}.
function findFootprint({ xy, size, softness, snap }, pixels, [h, w], bands) {
  const radius = size / 2,
    points = spaceOut(xy, SPACING * radius),
    clip = (value, most) => Math.min(Math.max(value, 0), most);
  const xs = points.map(([x]) => x),
    ys = points.map(([, y]) => y);
  const box = [
    clip(Math.floor(Math.min(...xs) - radius - 1), w),
    clip(Math.floor(Math.min(...ys) - radius - 1), h),
    clip(Math.ceil(Math.max(...xs) + radius + 1), w),
    clip(Math.ceil(Math.max(...ys) + radius + 1), h),
  ];
  const squared = squaredDistances(points, radius, box),
    shares = new Float32Array(squared.length),
    isPure = new Uint8Array(squared.length);
  const most = (radius + 0.5) ** 2,
    inside = new Int32Array(squared.reduce((count, value) => count + (value < most), 0));
  for (let i = 0, k = 0; i < squared.length; i += 1) if (squared[i] < most) inside[k++] = i;
  const likeness = snap && inside.length ? findLikeness(inside, squared, radius, box, pixels, [h, w], bands) : null;
  inside.forEach((i, k) => {
    const share = clip((radius + 0.5 - Math.sqrt(squared[i])) / Math.max(1, softness * radius), 1);
    shares[i] = share * share * (3 - 2 * share) * (likeness ? likeness[k] : 1);
    isPure[i] = !likeness || likeness[k] === 1 ? 1 : 0;
  });
  return { shares, isPure, box };
}

function spaceOut(points, spacing) {
  const kept = [points[0]];
  for (const [x, y] of points.slice(1)) {
    const [lastX, lastY] = kept[kept.length - 1],
      length = Math.sqrt((x - lastX) ** 2 + (y - lastY) ** 2);
    const parts = length >= spacing ? Math.ceil(length / (16 * spacing)) : 0;
    for (let k = 1; k <= parts; k += 1)
      kept.push([lastX + ((x - lastX) * k) / parts, lastY + ((y - lastY) * k) / parts]);
  }
  return [...kept, points[points.length - 1]];
}

function squaredDistances(points, radius, [x0, y0, x1, y1]) {
  const columns = x1 - x0,
    squared = new Float64Array(columns * (y1 - y0)).fill(Infinity);
  const low = (a, b, least) => Math.max(Math.floor(Math.min(a, b) - radius - 1), least),
    high = (a, b, most) => Math.min(Math.ceil(Math.max(a, b) + radius + 1), most);
  for (let k = 1; k < points.length; k += 1) {
    const [ax, ay] = points[k - 1],
      [bx, by] = points[k],
      dx = bx - ax,
      dy = by - ay,
      length = Math.max(1e-9, dx * dx + dy * dy);
    const left = low(ax, bx, x0),
      right = high(ax, bx, x1),
      bottom = high(ay, by, y1);
    for (let row = low(ay, by, y0); row < bottom; row += 1) {
      const y = row + 0.5 - ay;
      for (let column = left, i = (row - y0) * columns + left - x0; column < right; column += 1, i += 1) {
        const x = column + 0.5 - ax,
          along = Math.min(Math.max((x * dx + y * dy) / length, 0), 1);
        const fromX = x - along * dx,
          fromY = y - along * dy,
          here = fromX * fromX + fromY * fromY;
        if (here < squared[i]) squared[i] = here;
      }
    }
  }
  return squared;
}

// How much the pixels `inside` a box are like those on the line, from 0 to 1, with the spots that the brush covers.
function findLikeness(inside, squared, radius, [x0, y0, x1, y1], pixels, [h, w], bands) {
  const columns = x1 - x0,
    bins = new Int32Array(inside.length),
    counts = new Int32Array(BINS ** 3),
    line = Math.max(1, LINE * radius);
  const isOpen = new Uint8Array(inside.length);
  inside.forEach((i, k) => {
    const x = x0 + (i % columns),
      y = y0 + Math.floor(i / columns),
      at = bands * (y * w + x),
      distance = Math.sqrt(squared[i]);
    bins[k] =
      (Math.floor(pixels[at] / BIN_WIDTH) * BINS + Math.floor(pixels[at + 1] / BIN_WIDTH)) * BINS +
      Math.floor(pixels[at + 2] / BIN_WIDTH);
    if (distance <= line) counts[bins[k]] += 1;
    isOpen[k] = distance > radius - 1.5 || x === 0 || y === 0 || x === w - 1 || y === h - 1 ? 1 : 0;
  });
  const table = likenessOfBins(counts),
    likeness = smooth((k) => table[bins[k]], inside, [y1 - y0, columns]);
  fillSpots(likeness, isOpen, inside, [y1 - y0, columns]);
  return likeness;
}

function likenessOfBins(counts) {
  const ordered = counts.slice().sort().reverse(),
    total = ordered.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  const least = Math.max(
    1,
    ordered.find((count) => {
      sum += count;
      return sum >= COMMON * total;
    }),
  );
  let squared = Uint8Array.from(counts, (count) => (count >= least ? 0 : UNLIKE ** 2));
  for (const stride of [BINS * BINS, BINS, 1]) {
    // the squared distance in bins, along one axis after the other
    const next = squared.slice();
    for (let i = 0; i < next.length; i += 1) {
      const position = Math.trunc(i / stride) & (BINS - 1);
      for (let by = Math.max(1 - UNLIKE, -position); by < UNLIKE && position + by < BINS; by += 1) {
        const here = squared[i + by * stride] + by * by;
        if (here < next[i]) next[i] = here;
      }
    }
    squared = next;
  }
  return Float64Array.from(squared, (value) => Math.min(Math.max((UNLIKE - Math.sqrt(value)) / (UNLIKE - LIKE), 0), 1));
}

function smooth(likenessAt, inside, [h, w]) {
  // over 3 x 3 pixels under the brush, against single pixels of noise
  const grid = new Int16Array((h + 2) * (w + 2)).fill(-1),
    place = (i) => (Math.floor(i / w) + 1) * (w + 2) + (i % w) + 1;
  inside.forEach((i, k) => {
    grid[place(i)] = Math.floor(likenessAt(k) * 255 + 0.5);
  });
  const likeness = new Float64Array(inside.length);
  inside.forEach((i, k) => {
    let sum = 0,
      most = 0;
    for (let row = place(i) - w - 3, last = row + 2 * (w + 2); row <= last; row += w + 2) {
      for (let at = row; at < row + 3; at += 1)
        if (grid[at] >= 0) {
          sum += grid[at];
          most += 255;
        }
    }
    likeness[k] = sum / most;
  });
  return likeness;
}

function fillSpots(likeness, isOpen, inside, [h, w]) {
  const step = Math.ceil(Math.max(h, w) / SPOT_GRID),
    rows = Math.ceil(h / step),
    columns = Math.ceil(w / step);
  const cells = inside.map((i) => Math.floor(i / w / step) * columns + Math.floor((i % w) / step));
  const areas = new Int32Array(rows * columns),
    sums = new Float64Array(rows * columns),
    waiting = [];
  cells.forEach((cell, k) => {
    areas[cell] += 1;
    sums[cell] += likeness[k];
  });
  const isSpot = Uint8Array.from(areas, (area, cell) => (sums[cell] < ALIKE * area ? 1 : 0));
  const leave = (cell) => {
    if (isSpot[cell]) {
      isSpot[cell] = 0;
      waiting.push(cell);
    }
  }; // it reaches an open side
  cells.forEach((cell, k) => {
    if (isOpen[k]) leave(cell);
  });
  while (waiting.length) {
    const cell = waiting.pop(),
      column = cell % columns;
    if (column > 0) leave(cell - 1);
    if (column < columns - 1) leave(cell + 1);
    if (cell >= columns) leave(cell - columns);
    if (cell < columns * (rows - 1)) leave(cell + columns);
  }
  const isFilled = new Uint8Array(isSpot.length);
  isSpot.forEach((is, cell) => {
    if (!is) return;
    const column = cell % columns,
      row = Math.floor(cell / columns);
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y += 1) {
      isFilled.fill(1, y * columns + Math.max(0, column - 1), y * columns + Math.min(columns, column + 2));
    }
  });
  cells.forEach((cell, k) => {
    if (isFilled[cell]) likeness[k] = 1;
  });
}
