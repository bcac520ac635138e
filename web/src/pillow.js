// Pillow's operations that the library uses, with its arithmetic, so that results are those of Python: resizing, reducing,
// the maximum filter, Gaussian blur and affine transforms. Arrays are flat and row by row.

const PRECISION = 22; // bits of the weights for 8-bit pixels
const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
};

// Weights of the input pixels of each output pixel along one axis: {first, count, weights, size}.
function computeWeights(inputSize, from, to, outputSize, filter) {
  const scale = Math.fround(Math.fround(to) - Math.fround(from)) / outputSize, stretch = Math.max(scale, 1);
  const support = filter.support * stretch, size = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputSize), count = new Int32Array(outputSize), weights = new Float64Array(outputSize * size);
  for (let i = 0; i < outputSize; i += 1) {
    const centre = Math.fround(from) + (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(inputSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let k = low; k < high; k += 1) {
      const weight = filter.at((k - centre + 0.5) / stretch);
      weights[i * size + k - low] = weight;
      sum += weight;
    }
    if (sum) for (let k = 0; k < high - low; k += 1) weights[i * size + k] /= sum;
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, weights, size };
}

function toFixedPoint({ first, count, weights, size }) {
  const fixed = Int32Array.from(weights, (weight) => Math.trunc(weight * 2 ** PRECISION + (weight < 0 ? -0.5 : 0.5)));
  return { first, count, weights: fixed, size };
}

// The weights of some of the output pixels, for an input that begins later.
function slice({ first, count, weights, size }, from, to, shift) {
  return { first: first.slice(from, to).map((value) => value - shift), count: count.subarray(from, to), weights: weights.subarray(from * size, to * size), size };
}

// Along each of `lines` lines of `length` input pixels.
function resampleAcross(source, target, { first, count, weights, size }, lines, length, bands, isFixed) {
  const outputs = first.length, across = isFixed ? (bands === 3 ? acrossRgb : acrossFixed) : acrossFloat;
  for (let line = 0, to = 0; line < lines; line += 1) {
    for (let i = 0; i < outputs; i += 1, to += bands) across(source, target, (line * length + first[i]) * bands, to, weights, i * size, count[i], bands);
  }
}

function acrossRgb(source, target, from, to, weights, weight, count) {
  let red = 1 << (PRECISION - 1), green = red, blue = red;
  for (let k = 0, at = from; k < count; k += 1, at += 3) {
    const w = weights[weight + k];
    red += Math.imul(source[at], w);
    green += Math.imul(source[at + 1], w);
    blue += Math.imul(source[at + 2], w);
  }
  target[to] = red >> PRECISION; // clamped by Uint8ClampedArray
  target[to + 1] = green >> PRECISION;
  target[to + 2] = blue >> PRECISION;
}

function acrossFixed(source, target, from, to, weights, weight, count, bands) {
  for (let band = 0; band < bands; band += 1) {
    let sum = 1 << (PRECISION - 1);
    for (let k = 0, at = from + band; k < count; k += 1, at += bands) sum += Math.imul(source[at], weights[weight + k]);
    target[to + band] = sum >> PRECISION;
  }
}

function acrossFloat(source, target, from, to, weights, weight, count, bands) {
  for (let band = 0; band < bands; band += 1) {
    let sum = 0;
    for (let k = 0, at = from + band; k < count; k += 1, at += bands) sum += source[at] * weights[weight + k];
    target[to + band] = sum;
  }
}

// (h, w, bands) uint8 or float32 -> (height, width, bands) of the same kind, of which only `window` is computed and returned.
// `box` is x0, y0, x1, y1 of the input, `window` of the output.
export function resize(source, [h, w], [height, width], filterName, bands = 1, box = [0, 0, w, h], window = [0, 0, width, height]) {
  const filter = FILTERS[filterName], isFixed = !(source instanceof Float32Array);
  const create = (length) => (isFixed ? new Uint8ClampedArray(length) : new Float32Array(length));
  const prepare = isFixed ? toFixedPoint : (weights) => weights;
  const [x0, y0, x1, y1] = box, [left, top, right, bottom] = window, outWidth = right - left, outHeight = bottom - top;
  if (!outWidth || !outHeight) return create(0);
  const down = computeWeights(h, y0, y1, height, filter), shift = down.first[top], rowCount = down.first[bottom - 1] + down.count[bottom - 1] - shift;
  let rows = source.subarray(shift * w * bands, (shift + rowCount) * w * bands); // those that the second pass reads
  if (width !== w || x0 || x1 !== width || outWidth !== w) {
    const across = computeWeights(w, x0, x1, width, filter), part = create(rowCount * outWidth * bands);
    resampleAcross(rows, part, prepare(slice(across, left, right, 0)), rowCount, w, bands, isFixed);
    rows = part;
  }
  if (height === h && !y0 && y1 === height) return rows.slice(0, outHeight * outWidth * bands);
  const resized = create(outHeight * outWidth * bands);
  resampleDown(rows, resized, prepare(slice(down, top, bottom, shift)), outWidth * bands, isFixed);
  return resized;
}

// As `resize` of uint8, for few of the output's values: returns a function of (y, x, band).
export function resizeLazily(source, [h, w], [height, width], filterName, bands) {
  const filter = FILTERS[filterName], down = toFixedPoint(computeWeights(h, 0, h, height, filter));
  const rows = width === w ? source : new Uint8ClampedArray(h * width * bands), result = new Uint8ClampedArray(1);
  if (width !== w) resampleAcross(source, rows, toFixedPoint(computeWeights(w, 0, w, width, filter)), h, w, bands, true);
  return (y, x, band) => {
    if (height === h) return rows[(y * width + x) * bands + band];
    let sum = 1 << (PRECISION - 1);
    for (let k = 0; k < down.count[y]; k += 1) sum += Math.imul(rows[((down.first[y] + k) * width + x) * bands + band], down.weights[y * down.size + k]);
    result[0] = sum >> PRECISION; // clamped
    return result[0];
  };
}

// The window of the output of `resize` that reads input pixels within `inner`.
export function reachedWindow(inner, [h, w], [height, width], filterName, box = [0, 0, w, h]) {
  const filter = FILTERS[filterName], [x0, y0, x1, y1] = box;
  const [left, right] = reached(computeWeights(w, x0, x1, width, filter), inner[0], inner[2]);
  const [top, bottom] = reached(computeWeights(h, y0, y1, height, filter), inner[1], inner[3]);
  return [left, top, right, bottom];
}

function reached({ first, count }, low, high) {
  let from = 0, to = first.length;
  while (from < to && first[from] + count[from] <= low) from += 1;
  while (to > from && first[to - 1] >= high) to -= 1;
  return [from, to];
}

function resampleDown(source, target, { first, count, weights, size }, length, isFixed) { // row by row, as memory is laid out
  const sums = isFixed ? new Int32Array(length) : new Float64Array(length);
  for (let i = 0; i < first.length; i += 1) {
    sums.fill(isFixed ? 1 << (PRECISION - 1) : 0);
    for (let k = 0; k < count[i]; k += 1) {
      const from = (first[i] + k) * length, weight = weights[i * size + k];
      if (isFixed) for (let x = 0; x < length; x += 1) sums[x] += Math.imul(source[from + x], weight);
      else for (let x = 0; x < length; x += 1) sums[x] += source[from + x] * weight;
    }
    const to = i * length;
    if (isFixed) for (let x = 0; x < length; x += 1) target[to + x] = sums[x] >> PRECISION;
    else for (let x = 0; x < length; x += 1) target[to + x] = sums[x];
  }
}

// Average over cells of step x step pixels; cells at the end may be smaller. Returns {values, size}.
export function reduce(source, [h, w], step, bands = 1) {
  const rows = Math.ceil(h / step), columns = Math.ceil(w / step), isFloat = source instanceof Float32Array;
  const values = isFloat ? new Float32Array(rows * columns * bands) : new Uint8Array(rows * columns * bands);
  const sums = isFloat ? new Float64Array(columns * bands) : new Uint32Array(columns * bands);
  for (let row = 0; row < rows; row += 1) {
    const y1 = Math.min(h, (row + 1) * step);
    sums.fill(0);
    for (let y = row * step; y < y1; y += 1) addRow(source, y * w * bands, w, step, bands, sums);
    for (let column = 0; column < columns; column += 1) {
      const area = (y1 - row * step) * (Math.min(w, (column + 1) * step) - column * step), multiplier = Math.floor(2 ** 24 / area);
      for (let i = column * bands; i < (column + 1) * bands; i += 1) {
        values[row * columns * bands + i] = isFloat ? sums[i] / area : Math.floor(((sums[i] + (area >> 1)) * multiplier) / 2 ** 24);
      }
    }
  }
  return { values, size: [rows, columns] };
}

function addRow(source, from, w, step, bands, sums) {
  for (let column = 0, at = from; column * step < w; column += 1) {
    const end = from + Math.min(w, (column + 1) * step) * bands;
    for (let band = 0; band < bands; band += 1) {
      let sum = sums[column * bands + band];
      for (let i = at + band; i < end; i += bands) sum += source[i];
      sums[column * bands + band] = sum;
    }
    at = end;
  }
}

// Whether any value within `reach` rows and columns is true, (h, w) -> Uint8Array of 0 and 1.
export function dilate(cells, [h, w], reach) {
  const across = new Uint8Array(h * w), result = new Uint8Array(h * w);
  for (let y = 0; y < h; y += 1) {
    for (let x = 0; x < w; x += 1) {
      if (!cells[y * w + x]) continue;
      across.fill(1, y * w + Math.max(0, x - reach), y * w + Math.min(w, x + reach + 1));
    }
  }
  for (let y = 0; y < h; y += 1) {
    for (let other = Math.max(0, y - reach); other < Math.min(h, y + reach + 1); other += 1) {
      for (let x = 0; x < w; x += 1) result[y * w + x] |= across[other * w + x];
    }
  }
  return result;
}

// Pillow's Gaussian blur, three box blurs along each axis: (h, w) uint8 -> uint8.
export function gaussianBlur(source, [h, w], radius) {
  const variance = (radius * radius) / 3, whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const part = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)));
  const reach = Math.fround(whole + part);
  let values = Uint8Array.from(source);
  for (const [lines, length, lineStep, step] of [[h, w, w, 1], [w, h, 1, w]]) {
    for (let pass = 0; pass < 3; pass += 1) values = boxBlur(values, lines, length, lineStep, step, reach);
  }
  return values;
}

function boxBlur(source, lines, length, lineStep, step, radius) {
  const target = new Uint8Array(source.length), reach = Math.floor(radius);
  const inner = Math.floor(Math.fround(2 ** 24 / Math.fround(radius * 2 + 1))); // Pillow divides in float32
  const outer = Math.floor((2 ** 24 - (reach * 2 + 1) * inner) / 2);
  for (let line = 0; line < lines; line += 1) {
    const at = (i) => source[line * lineStep + Math.min(length - 1, Math.max(0, i)) * step];
    let sum = 0;
    for (let i = -reach; i <= reach; i += 1) sum += at(i);
    for (let i = 0; i < length; i += 1) {
      const value = sum * inner + (at(i - reach - 1) + at(i + reach + 1)) * outer + 2 ** 23;
      target[line * lineStep + i * step] = Math.floor(value / 2 ** 24);
      sum += at(i + reach + 1) - at(i - reach);
    }
  }
  return target;
}

// Bilinear affine transform of (h, w) float32: the input position of an output pixel's centre is (a x + c, e y + f).
export function transformAffine(source, [h, w], { a, c, e, f }, fill) {
  const moved = new Float32Array(h * w).fill(fill);
  const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
  for (let row = 0; row < h; row += 1) {
    const yIn = e * (row + 0.5) + f;
    if (yIn < 0 || yIn >= h) continue;
    const y = Math.floor(yIn - 0.5), dy = yIn - 0.5 - y, above = clamp(y, h) * w;
    const below = y + 1 >= 0 && y + 1 < h ? (y + 1) * w : above;
    for (let column = 0; column < w; column += 1) {
      const xIn = a * (column + 0.5) + c;
      if (xIn < 0 || xIn >= w) continue;
      const x = Math.floor(xIn - 0.5), dx = xIn - 0.5 - x, left = clamp(x, w), right = clamp(x + 1, w);
      const upper = source[above + left] + (source[above + right] - source[above + left]) * dx;
      const lower = source[below + left] + (source[below + right] - source[below + left]) * dx;
      moved[row * w + column] = upper + (lower - upper) * dy;
    }
  }
  return moved;
}
