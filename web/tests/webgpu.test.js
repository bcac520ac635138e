import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';

import { ProvenBackend, hasGpu } from '../src/webgpu.js';

const RIGHT = Float32Array.of(0, 0.25, 1);
const VALUES = { original_size: { type: 'int64', data: BigInt64Array.of(1n, 3n), dims: [2] } };
const LIMITS = { start: 2000, run: 1000 };
const hang = () => new Promise(() => {});
const lose = () => Promise.reject(new Error('the device is lost'));

/** A backend that answers with each function in turn, and with the last one from then on. */
function backend(...answers) {
  const made = {
    runs: 0,
    isClosed: false,
    run: () => answers[Math.min(made.runs++, answers.length - 1)](),
    close: () => (made.isClosed = true),
  };
  return made;
}

const after = (time, values) => () => wait(time).then(() => values);
const safe = () => backend(after(300, RIGHT));

async function prove(fast) {
  const proven = new ProvenBackend(safe(), LIMITS);
  await proven.prove(async () => fast, VALUES);
  return proven;
}

test('a backend with equal values in less time is used', async () => {
  const fast = backend(after(150, RIGHT), after(1, Float32Array.of(0.003, 0.25, 1))); // the first run compiles
  const proven = await prove(fast);
  assert.equal(proven.fast, fast);
  assert.equal((await proven.run(VALUES))[0], Math.fround(0.003));
  assert.equal(fast.isClosed, false);
});

test('any other one is left', async () => {
  const cases = {
    'wrong values': backend(after(1, Float32Array.of(0, 0.26, 1))),
    'no numbers': backend(after(1, Float32Array.of(0, NaN, 1))),
    'another size': backend(after(1, RIGHT.subarray(1))),
    slower: backend(after(600, RIGHT)),
    'hanging at first': backend(hang),
    'hanging later': backend(after(1, RIGHT), hang),
    rejecting: backend(lose),
  };
  for (const [name, fast] of Object.entries(cases)) {
    const proven = await prove(fast);
    assert.equal(proven.fast, null, name);
    assert.ok(fast.isClosed, name);
    assert.equal(await proven.run(VALUES), RIGHT, name);
  }
});

test('without one nothing else runs', async () => {
  for (const open of [async () => null, lose]) {
    const proven = new ProvenBackend(safe(), LIMITS);
    await proven.prove(open, VALUES);
    assert.deepEqual([proven.fast, proven.safe.runs], [null, 0]);
  }
});

test('one that fails in the middle is left, and its answer computed again', async () => {
  const failures = {
    lost: lose,
    hanging: hang,
    empty: after(1, new Float32Array(3)),
    short: after(1, RIGHT.subarray(1)),
    wild: after(
      1,
      RIGHT.map((one) => 3 * one),
    ),
  };
  for (const [name, failure] of Object.entries(failures)) {
    const fast = backend(after(1, RIGHT), after(1, RIGHT), after(1, RIGHT), failure);
    const proven = await prove(fast);
    await proven.run(VALUES);
    assert.deepEqual(await Promise.all([proven.run(VALUES), proven.run(VALUES)]), [RIGHT, RIGHT], name);
    assert.deepEqual([proven.fast, fast.isClosed], [null, true], name);
    const { runs } = fast;
    await proven.run(VALUES);
    assert.equal(fast.runs, runs, name);
  }
});

test('adapters in software do not count', async () => {
  const answer = (adapter) => hasGpu({ requestAdapter: async () => adapter });
  assert.equal(await answer({ info: { isFallbackAdapter: false } }), true);
  assert.equal(await answer({ info: {} }), true);
  assert.equal(await answer({ info: { isFallbackAdapter: true } }), false);
  assert.equal(await answer({ isFallbackAdapter: true }), false);
  assert.equal(await answer(null), false);
  assert.equal(await hasGpu(undefined), false);
  assert.equal(await hasGpu({ requestAdapter: lose }), false);
});
