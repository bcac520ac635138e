import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bestCandidate, candidatesOf, correct, fullSizeMask, isDoubtful, keepRest } from '../src/decoding.js';
import { Frame, toInputImage } from '../src/frames.js';
import { answer, boxMask, disc, paint, pairs } from './made.js';

const size = [200, 300];
const whole = [0, 0, 300, 200];

test('the input frame keeps the shape, and pads right and below', () => {
  const sizes = pairs(1, 1, 57, 83, 683, 1024, 3000, 1, 2001, 4001).map(([h, w]) => new Frame([0, 0, w, h]).inputSize);
  assert.deepEqual(sizes, pairs(1024, 1024, 703, 1024, 683, 1024, 1024, 1, 512, 1024));
  const pixels = paint([2, 4], () => [255, 0, 124]);
  const image = toInputImage({ pixels, size: [2, 4] }, new Frame([1, 0, 3, 1]));
  const at = (channel, y) => Math.round(1000 * image[(channel * 1024 + y) * 1024 + 5]) / 1000;
  assert.deepEqual([at(0, 5), at(1, 5), at(2, 5), at(0, 600)], [2.249, -2.036, 0.357, 0]);
});

test('a mask of logits at full size lies in its crop', () => {
  const { values, box } = fullSizeMask(disc(128, 96, 40), [20, 10, 220, 160], size); // 200 / 256 pixels per logit
  const near = [20 + 88 * 0.78, 10 + 56 * 0.78, 20 + 168 * 0.78, 10 + 136 * 0.78];
  assert.ok(
    box.every((value, i) => Math.abs(value - near[i]) < 2),
    String(box),
  );
  const area = values.filter((value) => value === 255).length;
  assert.ok(Math.abs(area / (Math.PI * (40 * 0.78) ** 2) - 1) < 0.03, String(area));
  assert.equal(fullSizeMask(new Float32Array(65536).fill(-1), whole, size).box, null);
});

test('the candidate contradicts the fewest clicks, then has the best score', () => {
  const masks = new Float32Array(4 * 65536)
    .fill(-1)
    .map((value, i) => ([1, 3].includes(Math.floor(i / 65536)) ? 1 : value));
  const choose = (labels, chosen) =>
    bestCandidate(
      masks,
      [0.1, 0.2, 0.3, 0.4],
      labels.map(() => [500, 500]),
      labels,
      chosen,
    );
  assert.equal(choose([-1], 0), 0);
  assert.equal(choose([1, -1], 0), 3);
  assert.equal(choose([1, -1], 1), 1, 'the chosen one among equals');
  assert.equal(choose([0, -1], 3), 2);
});

test('a correction keeps the rest, except where a background click takes it away', () => {
  const before = answer(disc(80, 80, 30), whole);
  const correction = answer(disc(170, 80, 20), whole, { mask: boxMask(size), points: [[200, 94]], labels: [1] });
  const kept = keepRest(correction, before);
  assert.ok(kept.logits[80 * 256 + 80] > 0 && kept.logits[80 * 256 + 170] > 0);
  const taken = keepRest({ ...correction, points: [[94, 94]], labels: [0] }, before);
  assert.ok(taken.logits[80 * 256 + 80] < 0);
  assert.equal(candidatesOf(kept)[1].mask.box, null);
});

test('after a box a click does not take most of the object away', () => {
  const before = answer(disc(80, 80, 40), whole);
  const small = disc(60, 80, 10);
  const notched = disc(80, 80, 40).map((value, i) => (i % 256 > 115 ? -1 : value));
  const lowResMasks = Float32Array.from([...small, ...small, ...small, ...notched]);
  const points = pairs(10, 10, 138, 94);
  const found = answer(small, whole, { lowResMasks, points, labels: [0, 0], mask: boxMask(size) });
  assert.ok(correct(found, before, false).logits[80 * 256 + 90] < 0);
  assert.ok(correct(found, before, true).logits[80 * 256 + 90] > 0);
});

test('blurred edges and low scores are doubtful', () => {
  const mask = boxMask(size, [60, 40, 140, 120]);
  const sharp = disc(80, 80, 40).map((value) => value * 20);
  assert.equal(isDoubtful(answer(sharp, whole, { mask })), false);
  assert.equal(isDoubtful(answer(sharp, whole, { mask, scores: [0.7, 0, 0, 0] })), true);
  assert.equal(isDoubtful(answer(disc(80, 80, 9), whole, { mask })), true);
  assert.equal(isDoubtful(answer(sharp, whole, { mask: boxMask(size) })), true);
});
