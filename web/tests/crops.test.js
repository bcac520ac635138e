import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chooseCrop, cropAroundClick, enlarge, isCutOff, transferLogits } from '../src/crops.js';
import { answer, boxMask, disc } from './made.js';

const size = [200, 300];
const whole = [0, 0, 300, 200];
const earlier = answer(disc(110, 80, 40), [20, 10, 220, 160], { mask: boxMask(size, [60, 40, 140, 120]) });

test('crops are chosen', () => {
  const cases = [
    [null, [], null, whole],
    [[5, 20, 40, 60.5], [], null, [0, 11, 49, 69]],
    [[10, 10, 12, 12], [], null, [3, 3, 19, 19]], // 16 pixels at least
    [[0, 0, 290, 190], [], null, whole], // too large to zoom
    [null, [[30, 40]], earlier, [20, 10, 220, 160]], // the crop of the answer that is corrected
    [null, [[10, 40]], earlier, [0, 14, 166, 146]], // outside it
    [[30, 20, 60, 60], [], { ...earlier, crop: whole }, [8, 0, 162, 142]],
  ];
  for (const [box, points, previous, expected] of cases) {
    assert.deepEqual(chooseCrop(box, points, previous, size, 0.2), expected);
  }
});

test('around a click a third of the photo', () => {
  assert.deepEqual(cropAroundClick([0, 0], size), [0, 0, 105, 105]);
  assert.deepEqual(cropAroundClick([150.5, 99], size), [98, 46, 203, 151]);
});

test('a cut-off object is looked for in a larger crop', () => {
  const crop = [50, 50, 150, 150];
  assert.equal(isCutOff(boxMask(size, [60, 60, 150, 140]), crop), true);
  assert.equal(isCutOff(boxMask(size, [60, 60, 149, 140]), crop), false);
  assert.equal(isCutOff(boxMask(size, [0, 60, 20, 140]), [0, 50, 150, 150]), false, 'the side of the photo');
  assert.deepEqual(enlarge(crop, size), [0, 0, 200, 200]);
  assert.deepEqual(enlarge([0, 0, 200, 150], size), whole);
});

test('logits move with their object to another crop', () => {
  const [source, target] = [
    [20, 10, 220, 160],
    [60, 0, 300, 120],
  ];
  const moved = transferLogits(disc(128, 96, 40), source, target);
  const centre = { x: 20 + (128 / 256) * 200, y: 10 + (96 / 256) * 200 };
  const at = ([x, y]) => Math.floor(((y - target[1]) / 240) * 256) * 256 + Math.floor(((x - target[0]) / 240) * 256);
  assert.ok(moved[at([centre.x, centre.y])] > 9);
  assert.ok(moved[at([centre.x + 28, centre.y])] > 0 && moved[at([centre.x + 34, centre.y])] < 0);
  assert.equal(moved[at([290, 5])], -8, 'nothing is known there');
});
