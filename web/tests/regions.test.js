import assert from 'node:assert/strict';
import { test } from 'node:test';

import { areApart, boundsWithoutIslands, dilate, gridFor, labelRegions, sumRegions } from '../src/regions.js';
import { boxMask, cells } from './made.js';

test('regions are connected by their sides, or by corners too', () => {
  const drawn = cells('##..', '..#.', '#...');
  const bySides = labelRegions(drawn, [3, 4]);
  assert.deepEqual([...bySides.labels], [1, 1, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0]);
  assert.deepEqual(
    sumRegions(bySides, () => 1),
    [8, 2, 1, 1],
  );
  assert.equal(labelRegions(drawn, [3, 4], true).count, 3);
});

test('dilation reaches a square, not beyond the sides', () => {
  const drawn = cells('#...', '....', '....');
  assert.deepEqual(
    dilate((i) => drawn[i], [3, 4], 1),
    cells('##..', '##..', '....'),
  );
});

test('grids have at most 256 cells a side', () => {
  assert.deepEqual(gridFor([200, 256]), [200, 256]);
  assert.deepEqual(gridFor([300, 700]), [100, 234]);
});

test('a small island does not widen the box', () => {
  const island = boxMask([300, 700], [39, 39, 240, 240], [600, 0, 640, 30]);
  assert.deepEqual(boundsWithoutIslands(island), [39, 39, 240, 240]);
  const two = boxMask([300, 700], [39, 39, 240, 240], [501, 201, 699, 300]);
  assert.deepEqual(boundsWithoutIslands(two), [39, 39, 699, 300]);
  assert.equal(boundsWithoutIslands(boxMask([300, 700])), null);
});

test('masks with a small gap belong together', () => {
  const one = boxMask([200, 200], [0, 0, 50, 50]);
  assert.equal(areApart(one, boxMask([200, 200], [54, 0, 90, 50])), false);
  assert.equal(areApart(one, boxMask([200, 200], [57, 0, 90, 50])), true);
});
