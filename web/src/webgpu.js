// Mattes on WebGPU where it is proven on this machine: beside WebAssembly it gave the same values in less time. Anything
// else stays on WebAssembly, and the visitor notices nothing.

/** @import { Value } from './types.d.ts' */

const MOST_DIFFERENCE = 1 / 255; // of an alpha
export const LIMITS = { start: 60_000, run: 15_000 }; // ms; the browser compiles shaders in the first run

/**
 * What computes an alpha in [0, 1]. `close` gives its memory back; a run that it interrupts rejects.
 * @typedef {{ run(values: Record<string, Value>): Promise<Float32Array>, close(): void }} Backend
 */

/** Whether there is a GPU, not its imitation in software. @param {any} gpu that of `navigator` */
export async function hasGpu(gpu) {
  const adapter = gpu && (await gpu.requestAdapter().catch(() => null));
  if (!adapter) return false;
  return !adapter.isFallbackAdapter && !(adapter.info && adapter.info.isFallbackAdapter);
}

/** A backend, and a faster one from its proof to its first failure. */
export class ProvenBackend {
  /** @type {Backend | null} */
  fast = null;

  /** @param {Backend} safe @param {typeof LIMITS} limits */
  constructor(safe, limits = LIMITS) {
    this.safe = safe;
    this.limits = limits;
  }

  /** @param {Record<string, Value>} values */
  async run(values) {
    const { fast } = this;
    if (!fast) return this.safe.run(values);
    try {
      const alpha = await within(this.limits.run, fast.run(values));
      if (!isAlpha(alpha, values.original_size.data)) throw new Error('the values are no alpha');
      return alpha;
    } catch (error) {
      this.fast = null;
      leave(fast, error);
      return this.safe.run(values);
    }
  }

  /**
   * Takes another backend if it is equal and faster on these values. Never rejects.
   * @param {() => Promise<Backend | null>} open null if there is none on this machine
   * @param {Record<string, Value>} values
   */
  async prove(open, values) {
    let fast = null;
    try {
      fast = await open();
      if (!fast) return;
      await within(this.limits.start, fast.run(values));
      const [expected, usual] = await timed(() => this.safe.run(values));
      const [found, took] = await timed(() => within(this.limits.run, fast.run(values)));
      if (!isEqual(found, expected)) throw new Error('the values differ');
      if (took >= usual) throw new Error(`${Math.round(took)} ms instead of ${Math.round(usual)}`);
      this.fast = fast;
      console.debug(`WebGPU is used: ${Math.round(took)} ms instead of ${Math.round(usual)}`);
    } catch (error) {
      leave(fast, error);
    }
  }
}

/** @param {Backend | null} backend @param {Error} error */
function leave(backend, error) {
  if (backend) backend.close();
  console.debug(`WebGPU is not used: ${error.message}`);
}

/** Rejects if an answer takes longer. @template T @param {number} limit in ms @param {Promise<T>} answer @returns {Promise<T>} */
function within(limit, answer) {
  let timer = 0;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${limit} ms`)), limit);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** @param {() => Promise<Float32Array>} run @returns {Promise<[Float32Array, number]>} with its time in ms */
async function timed(run) {
  const begun = performance.now();
  return [await run(), performance.now() - begun];
}

function isEqual(found, expected) {
  return (
    found.length === expected.length && found.every((value, i) => Math.abs(value - expected[i]) <= MOST_DIFFERENCE)
  );
}

/** Whether values may be an alpha of a size: none is out of range or NaN, and not all are 0, as those of a lost device. */
function isAlpha(alpha, [h, w]) {
  return (
    alpha.length === Number(h * w) &&
    alpha.some((value) => value > 0) &&
    alpha.every((value) => value >= -MOST_DIFFERENCE && value <= 1 + MOST_DIFFERENCE)
  );
}
