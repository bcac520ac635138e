import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BOX, TRIANGLE, resize, sample, smallerSize } from '../src/resample.js';

const image = Uint8ClampedArray.from([0, 100, 200, 40, 80, 120, 7, 9, 11, 1, 3, 5]); // 3 x 4

test('averaging rounds half up after each pass, as Pillow', () => {
  assert.deepEqual([...resize(image, 4, [0, 0, 4, 2], [1, 2], BOX)], [75, 64]);
  assert.deepEqual([...resize(image, 4, [1, 0, 3, 3], [1, 1], BOX)], [72]);
  assert.deepEqual([...resize(Uint8ClampedArray.of(0, 1, 0, 0), 2, [0, 0, 2, 2], [1, 1], BOX)], [1]);
});

test('bilinear enlargement of two bands', () => {
  assert.deepEqual([...resize(image, 2, [0, 0, 2, 1], [1, 4], TRIANGLE, 2)], [0, 100, 50, 85, 150, 55, 200, 40]);
});

test('an equal size changes nothing', () => {
  for (const reach of [BOX, TRIANGLE]) assert.deepEqual(resize(image, 4, [0, 0, 4, 3], [3, 4], reach), image);
});

test('sizes get smaller only', () => {
  assert.deepEqual(smallerSize([3000, 2000], 1024), [1024, 683]);
  assert.equal(smallerSize([300, 1024], 1024), null);
  assert.deepEqual(smallerSize([1, 5000], 100), [1, 100]);
});

test('samples outside the square are those of its edge, or a given value', () => {
  const square = Float32Array.of(0, 2, 4, 6);
  const line = { start: -1, step: 1 }; // centres at -0.5, 0.5, 1.5, 2.5
  const down = { start: 0, step: 2 };
  assert.deepEqual([...sample(square, 2, [1, 4], line, down)], [2, 2, 4, 4]);
  assert.deepEqual([...sample(square, 2, [1, 4], line, down, -8)], [-8, 2, 4, -8]);
});
