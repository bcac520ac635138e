import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addShadow, drawBackground } from '../src/background.js';
import { blur } from '../src/blur.js';
import { PLAIN, cutOut } from '../src/composition.js';
import { adjustEdges } from '../src/edges.js';
import { findHead } from '../src/head.js';
import { frameFor, placeIn } from '../src/placement.js';
import { fill, paint } from './made.js';

const size = [60, 80];
const square = fill(size, (x, y) => (x >= 30 && x < 50 && y >= 20 && y < 40 ? 255 : 0));
const at = (values, x, y) => values[y * size[1] + x];

test('a blur keeps the sum, has its radius as standard deviation, and goes on at the edges', () => {
  const point = fill([41, 41], (x, y) => (x === 20 && y === 20 ? 255 : 0));
  const soft = blur(
    fill([1, 201], (x) => (x === 100 ? 255 : 0)),
    [1, 201],
    2,
  );
  const sum = soft.reduce((one, other) => one + other, 0);
  const variance = soft.reduce((total, value, x) => total + value * (x - 100) ** 2, 0) / sum;
  assert.ok(Math.abs(sum - 255) <= 5 && Math.abs(variance - 4) < 0.5, `${sum}, ${variance}`);
  const round = blur(point, [41, 41], 3);
  assert.ok(round.every((value, i) => Math.abs(value - round[(i % 41) * 41 + Math.floor(i / 41)]) <= 1));
  assert.deepEqual(blur(new Uint8ClampedArray(12).fill(77), [2, 2], 40, 3), new Uint8ClampedArray(12).fill(77));
  assert.equal(blur(point, [41, 41], 0), point);
});

test('edges grow, shrink, harden and soften', () => {
  assert.equal(adjustEdges(square, size, PLAIN), square);
  for (const [grow, from, to] of [
    [37.5, 27, 53], // 3 pixels
    [-37.5, 33, 47],
    [50, 26, 54],
  ]) {
    const row = adjustEdges(square, size, { ...PLAIN, grow }).subarray(30 * 80, 31 * 80);
    assert.deepEqual([row.indexOf(255), row.lastIndexOf(255) + 1], [from, to]);
  }
  const ramp = fill(size, (x) => 3 * x);
  assert.deepEqual(
    [10, 42, 75].map((x) => at(adjustEdges(ramp, size, { ...PLAIN, softness: -1 }), x, 5)),
    [0, 98, 255],
  );
  const soft = adjustEdges(square, size, { ...PLAIN, softness: 1 });
  assert.ok(at(soft, 29, 30) > 0 && at(soft, 30, 30) < 255 && at(soft, 40, 30) === 255);
});

test('objects are placed as by the library', () => {
  // mam.Placement(...).place of the same square
  const placed = (values, alpha = square) => placeIn(alpha, size, { ...PLAIN.placement, ...values });
  const framed = (photo, aspect) => frameFor(photo, { aspect, size: null });
  assert.deepEqual(framed([60, 80], 1), [80, 80]);
  assert.deepEqual(framed([60, 80], 9 / 16), [80, 45]);
  assert.deepEqual(framed([100, 1000], 0.5), [632, 316]);
  assert.deepEqual(placed({ scale: 2 }), { left: -40, top: -30, scale: 2 });
  assert.deepEqual(placed({ aspect: 1, offset: [0.25, 0] }), { left: 20, top: 10, scale: 1 });
  const atFoot = fill(size, (x, y) => (x >= 30 && x < 50 && y >= 20 ? 255 : 0));
  assert.deepEqual(placed({ aspect: 1, scale: 0.5 }, atFoot), { left: 20, top: 50, scale: 0.5 });
  assert.deepEqual(placed({ size: [100, 200], fill: 0.5, position: [0, 1] }), { left: -75, top: 0, scale: 2.5 });
  assert.equal(placed({}, new Uint8ClampedArray(4800)), null);
});

test('a head ends at the neck, or at half the width of the shoulders', () => {
  const ranges = [
    [5, 20, 30, 50], // head, neck, shoulders
    [20, 25, 37, 43],
    [25, 60, 15, 65],
  ];
  const person = fill(size, (x, y) =>
    ranges.some(([y0, y1, x0, x1]) => y >= y0 && y < y1 && x >= x0 && x < x1) ? 255 : 0,
  );
  assert.deepEqual(findHead(person, size), [30, 5, 50, 21]);
  const hidden = fill(size, (x, y) => (y >= 5 && Math.abs(x - 40) < 10 + y / 2 ? 255 : 0));
  assert.deepEqual(findHead(hidden, size), [7, 5, 74, 48]);
  assert.equal(findHead(new Uint8ClampedArray(4800), size), null);
  const bust = placeIn(person, size, {
    ...PLAIN.placement,
    size: [90, 70],
    fill: 0.2,
    position: [0.5, 0.25],
    part: 'head',
  });
  assert.deepEqual(bust, { left: -10, top: 22, scale: 1.125 }, 'it stands on the edge');
});

test('a cut-out shows nothing of the rest, and no more than the photo did', () => {
  const pixels = paint(size, (x) => [x, 100, 200]);
  const straight = pixels.slice();
  for (let i = 3; i < straight.length; i += 4) straight[i] = 100;
  const { pixels: cut, alpha } = cutOut({ pixels, straight, size }, square, null, PLAIN);
  assert.deepEqual([...cut.subarray(0, 4)], [0, 0, 0, 0]);
  assert.deepEqual([...cut.subarray(4 * (30 * 80 + 40), 4 * (30 * 80 + 40) + 4)], [40, 100, 200, 100]);
  assert.equal(Math.max(...alpha), 100);
});

test('backgrounds: a colour, a gradient, the photo without its object; a shadow darkens them', () => {
  const photo = { pixels: paint(size, (x, y) => (at(square, x, y) ? [255, 0, 0] : [0, 90, 0])), alpha: square, size };
  const draw = (background) => drawBackground({ ...PLAIN, background }, size, photo);
  assert.deepEqual([...draw('#20a0ff').subarray(-4)], [32, 160, 255, 255]);
  const gradient = draw({ top: '#000000', bottom: '#c80000' });
  assert.deepEqual([gradient[0], gradient[4 * 80 * 30], gradient.at(-4)], [0, 102, 200]);
  const blurred = draw({ blur: 30 });
  for (const i of [0, 30 * 80 + 31, 30 * 80 + 40]) {
    assert.ok(blurred[4 * i] < 10 && Math.abs(blurred[4 * i + 1] - 90) < 12, `${blurred.subarray(4 * i, 4 * i + 3)}`);
  }
  const white = draw('#ffffff');
  addShadow(white, square, size, 0.5);
  assert.equal(white[0], 255);
  assert.ok(Math.abs(white[4 * (31 * 80 + 41)] - 128) < 6);
});
