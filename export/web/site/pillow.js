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

// One pass over an axis. `lines` lines of `length` pixels; pixel k of line j starts at j * lineStep + k * pixelStep.
function resamplePass(source, target, { first, count, weights, size }, lines, bands, steps, isFixed) {
  const outputs = first.length, { lineIn, pixelIn, lineOut, pixelOut } = steps;
  for (let j = 0; j < lines; j += 1) {
    for (let i = 0; i < outputs; i += 1) {
      const from = j * lineIn + first[i] * pixelIn, to = j * lineOut + i * pixelOut, weight = i * size, n = count[i];
      for (let band = 0; band < bands; band += 1) {
        if (isFixed) {
          let sum = 1 << (PRECISION - 1);
          for (let k = 0, at = from + band; k < n; k += 1, at += pixelIn) sum = (sum + Math.imul(source[at], weights[weight + k])) | 0;
          target[to + band] = sum >> PRECISION; // clamped by Uint8ClampedArray
        } else {
          let sum = 0;
          for (let k = 0, at = from + band; k < n; k += 1, at += pixelIn) sum += source[at] * weights[weight + k];
          target[to + band] = sum;
        }
      }
    }
  }
}

// (h, w, bands) uint8 or float32 -> (height, width, bands) of the same kind. `box` is x0, y0, x1, y1 of the input.
export function resize(source, [h, w], [height, width], filterName, bands = 1, box = [0, 0, w, h]) {
  const filter = FILTERS[filterName], isFixed = !(source instanceof Float32Array);
  const create = (length) => (isFixed ? new Uint8ClampedArray(length) : new Float32Array(length));
  const prepare = isFixed ? toFixedPoint : (weights) => weights;
  const [x0, y0, x1, y1] = box;
  let rows = source, rowCount = h, shift = 0;
  const across = computeWeights(w, x0, x1, width, filter), down = computeWeights(h, y0, y1, height, filter);
  if (width !== w || x0 || x1 !== width) {
    const last = height - 1;
    shift = down.first[0];
    rowCount = down.first[last] + down.count[last] - shift; // the rows that the second pass reads
    rows = create(rowCount * width * bands);
    const part = source.subarray(shift * w * bands);
    resamplePass(part, rows, prepare(across), rowCount, bands, { lineIn: w * bands, pixelIn: bands, lineOut: width * bands, pixelOut: bands }, isFixed);
  }
  if (height === h && !y0 && y1 === height) return rows === source ? source.slice() : rows;
  const resized = create(height * width * bands), weights = prepare(down);
  weights.first.forEach((value, i) => { weights.first[i] = value - shift; });
  resampleDown(rows, resized, weights, width * bands, isFixed);
  return resized;
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
  for (let row = 0; row < rows; row += 1) {
    const y1 = Math.min(h, (row + 1) * step);
    for (let column = 0; column < columns; column += 1) {
      const x1 = Math.min(w, (column + 1) * step), area = (y1 - row * step) * (x1 - column * step);
      const multiplier = Math.floor(2 ** 24 / area);
      for (let band = 0; band < bands; band += 1) {
        let sum = isFloat ? 0 : area >> 1;
        for (let y = row * step; y < y1; y += 1) {
          for (let x = column * step; x < x1; x += 1) sum += source[(y * w + x) * bands + band];
        }
        values[(row * columns + column) * bands + band] = isFloat ? sum / area : Math.floor((sum * multiplier) / 2 ** 24);
      }
    }
  }
  return { values, size: [rows, columns] };
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
