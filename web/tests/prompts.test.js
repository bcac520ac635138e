import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Frame } from '../src/frames.js';
import { MAX_POINTS, Prompt, spread } from '../src/prompts.js';
import { answer, boxMask, disc, pairs } from './made.js';

const size = [200, 300];

test("prompts become inputs of the decoder, in SAM's order", () => {
  const points = pairs(30, 40, 250.5, 170, 100, 90);
  const prompt = new Prompt({ box: [-5, 20, 150, 120], points, labels: [1, 1, 0] }, size);
  const { coords, labels, maskInput, hasMask } = prompt.toInput(new Frame([20, 10, 220, 160]));
  assert.deepEqual(labels, [1, 0, 2, 3], 'the second point is not in the crop');
  const expected = pairs(10, 30, 80, 80, -20, 10, 130, 110).map((point) => point.map((value) => value * 5.12));
  assert.deepEqual(coords.map(rounded), expected.map(rounded));
  assert.ok(hasMask === 0 && maskInput.every((value) => value === 0));
});

const rounded = (point) => point.map((value) => Math.round(value * 1e6) / 1e6);

test('without a box there is one padding point', () => {
  const { coords, labels } = new Prompt({}, size).toInput(new Frame([0, 0, 300, 200]));
  assert.deepEqual([coords, labels], [[[0, 0]], [-1]]);
});

test('what does not fit is refused in words', () => {
  assert.throws(
    () => new Prompt({ box: [400, 20, 450, 60] }, size),
    /does not cover a pixel of the image, which is 300/,
  );
  const points = Array(MAX_POINTS + 1).fill([1, 1]);
  assert.throws(() => new Prompt({ points, labels: points.map(() => 1) }, size), /513 points; at most 512/);
});

test('scribbles become 2 to 8 points at equal distances', () => {
  const along = spread(pairs(10, 10, 110, 10), size).map(rounded);
  assert.deepEqual(along, pairs(22.5, 10, 47.5, 10, 72.5, 10, 97.5, 10));
  assert.equal(spread(pairs(0, 0, 300, 0, 300, 200), size).length, 8);
  assert.deepEqual(spread(pairs(5, 5, 6, 5), size), [[5, 5]]);
  const prompt = new Prompt({ scribbles: [pairs(0, 0, 90, 0)], scribbleLabels: [0] }, size);
  assert.deepEqual(prompt.labels, [0, 0, 0, 0]);
});

test('an answer gives a correction its box and its logits', () => {
  const crop = [0, 0, 300, 200];
  const given = answer(disc(100, 80, 30), crop, { mask: boxMask(size, [60, 40, 140, 120]) });
  const again = new Prompt({ points: pairs(150, 50, 10, 10), labels: [1, 0] }, size).boxed(given);
  assert.deepEqual(again.box, [60, 40, 150, 120]);
  assert.equal(again.toInput(new Frame(crop)).maskInput, given.logits);
  assert.ok(!again.isAmbiguous && new Prompt({ points: [[1, 1]], labels: [1] }, size).isAmbiguous);
});
