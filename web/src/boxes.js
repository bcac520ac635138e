// Boxes [x0, y0, x1, y1] in whole pixels, ends exclusive, and arrays that are zero outside a box. As mam/images/boxes.py.

// The smallest box around all nonzero values of (h, w), or null.
export function maskBounds(mask, [h, w]) {
  let top = -1, bottom = -1, left = w, right = -1;
  for (let y = 0; y < h; y += 1) {
    let first = 0;
    const row = y * w;
    while (first < w && !mask[row + first]) first += 1;
    if (first === w) continue;
    let last = w - 1;
    while (!mask[row + last]) last -= 1;
    if (top < 0) top = y;
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, last);
  }
  return top < 0 ? null : [left, top, right + 1, bottom + 1];
}

export const fullBox = ([h, w]) => [0, 0, w, h];

export const isSame = (one, other) => one.every((value, i) => value === other[i]);

export function padBox([x0, y0, x1, y1], by, [h, w]) {
  return [Math.max(0, x0 - by), Math.max(0, y0 - by), Math.min(w, x1 + by), Math.min(h, y1 + by)];
}

// The part of (h, w, bands) values inside a box.
export function cut(values, [, w], [x0, y0, x1, y1], bands = 1) {
  const width = (x1 - x0) * bands, part = new values.constructor((y1 - y0) * width);
  for (let y = y0; y < y1; y += 1) {
    const from = (y * w + x0) * bands;
    part.set(values.subarray(from, from + width), (y - y0) * width);
  }
  return part;
}

// A part on a canvas of the size (h, w), zero elsewhere.
export function place(part, box, size) {
  if (isSame(box, fullBox(size))) return part;
  const [x0, y0, x1, y1] = box, width = x1 - x0, canvas = new part.constructor(size[0] * size[1]);
  for (let y = y0; y < y1; y += 1) canvas.set(part.subarray((y - y0) * width, (y - y0 + 1) * width), y * size[1] + x0);
  return canvas;
}

export class Patch {
  constructor(values, box, size) {
    Object.assign(this, { values, box, size });
  }

  static of(array, size) {
    return Patch.within(array, fullBox(size), size);
  }

  static within(part, [left, top, right, bottom], size) { // `part` is what a window of the array holds
    const partSize = [bottom - top, right - left], bounds = maskBounds(part, partSize);
    if (!bounds) return new Patch(new part.constructor(0), [0, 0, 0, 0], size);
    const [x0, y0, x1, y1] = bounds;
    return new Patch(cut(part, partSize, bounds), [x0 + left, y0 + top, x1 + left, y1 + top], size);
  }

  map(convert) { // the values converted; zero stays zero
    return new Patch(convert(this.values), this.box, this.size);
  }

  get isEmpty() {
    return this.values.length === 0;
  }

  full() {
    return this.isEmpty ? new this.values.constructor(this.size[0] * this.size[1]) : place(this.values, this.box, this.size);
  }

  at(x, y) {
    const [x0, y0, x1, y1] = this.box;
    return x >= x0 && x < x1 && y >= y0 && y < y1 ? this.values[(y - y0) * (x1 - x0) + x - x0] : 0;
  }
}
