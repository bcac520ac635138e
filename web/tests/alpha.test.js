import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cleanUp } from '../src/cleanup.js';
import { obeyClicks } from '../src/clicks.js';
import { foregroundColours } from '../src/foreground.js';
import { fill, paint } from './made.js';

const size = [420, 600];
const OBJECT = [200, 180, 160];
const BEHIND = [40, 120, 60];
const distance = (x, y) => Math.hypot(x - 250, y - 200);
const isIn = ([x0, y0, x1, y1], x, y) => x >= x0 && x < x1 && y >= y0 && y < y1;
const HOLE = [240, 189, 261, 210]; // whole cells of 3 pixels
const SEEN_THROUGH = [220, 150, 236, 166]; // of the background's colour
const SPECK = [560, 20, 566, 24];

/** A disc with a soft edge, two holes and a speck. */
function made(...clicks) {
  const alphaAt = (x, y) => {
    if (isIn(SPECK, x, y)) return 200;
    return isIn(HOLE, x, y) || isIn(SEEN_THROUGH, x, y) ? 0 : 255 * (1.5 - distance(x, y) / 120);
  };
  const colourAt = (x, y) => (distance(x, y) < 118 && !isIn(SEEN_THROUGH, x, y) ? OBJECT : BEHIND);
  const mask = { values: fill(size, (x, y) => (distance(x, y) < 132 ? 255 : 0)) };
  const points = clicks.map(([x, y]) => [x, y]);
  const labels = clicks.map((click) => click[2]);
  return {
    alpha: fill(size, alphaAt),
    photo: { pixels: paint(size, colourAt), size },
    segment: { mask, points, labels },
  };
}

const HOLE_AT = [245, 200];
const SPECK_AT = [562, 22];

test('holes are filled and specks removed, unless they are clicked on or show the background', () => {
  const cases = [
    [[], 255, 0],
    [[[...HOLE_AT, 0]], 0, 0],
    [[[...SPECK_AT, 1]], 255, 200],
  ];
  for (const [clicks, hole, speck] of cases) {
    const { alpha, photo, segment } = made(...clicks);
    cleanUp(alpha, photo, segment);
    const at = ([x, y]) => alpha[y * size[1] + x];
    assert.deepEqual([at(HOLE_AT), at(SPECK_AT), at([228, 158])], [hole, speck, 0]);
    assert.ok(at([250, 350]) > 0 && at([250, 350]) < 255, 'the soft edge stays');
  }
});

test('the part around a click obeys it, with a soft edge', () => {
  const { alpha, photo, segment } = made([...HOLE_AT, 1], [228, 158, 1], [...SPECK_AT, 0], [30, 400, 1]);
  photo.pixels.set([0, 0, 0], 4 * (200 * 600 + 250)); // of another colour
  obeyClicks(alpha, photo, segment);
  const part = fill([21, 21], (x, y) => alpha[(189 + y) * 600 + 240 + x]);
  assert.equal(part.filter((value) => value === 255).length, 440);
  assert.equal(alpha[200 * 600 + 250], 191, 'beside the part: softened');
  assert.equal(alpha[158 * 600 + 228], 255);
  assert.equal(alpha[22 * 600 + 562], 0);
  assert.deepEqual(
    [alpha[400 * 600 + 30], alpha[400 * 600 + 32]],
    [255, 0],
    'the mask does not agree: the pixel alone',
  );
});

test('at soft edges the object has its own colours, at any size', () => {
  for (const scale of [1, 4]) {
    const large = size.map((side) => side * scale);
    const alpha = fill(large, (x, y) => 255 * (1.5 - distance(x / scale, y / scale) / 120));
    const over = (x, y) => {
      const a = alpha[y * large[1] + x] / 255;
      return OBJECT.map((value, c) => value * a + BEHIND[c] * (1 - a));
    };
    const pixels = paint(large, over);
    const colours = foregroundColours(pixels, alpha, large);
    let worst = 0;
    alpha.forEach((a, i) => {
      if (a > 20 && a < 255)
        for (let c = 0; c < 3; c += 1) worst = Math.max(worst, Math.abs(colours[4 * i + c] - OBJECT[c]));
      if (a === 255) assert.equal(colours[4 * i], pixels[4 * i]);
    });
    assert.ok(worst <= 12, `${worst} levels at ${large}`);
  }
});
