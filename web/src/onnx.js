// onnxruntime-web in a worker: its settings, sessions, and values that travel between workers.

/** @import { Value } from './types.d.ts' */

import * as ort from './runtime/ort.wasm.min.js';

const MOST_THREADS = 4;
export const THREADS = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;

/**
 * @param {Uint8Array | null} binary the runtime's WebAssembly, once
 * @param {Uint8Array} model an ONNX file
 * @param {'wasm' | 'webgpu'} provider
 */
export async function openSession(binary, model, provider = 'wasm') {
  const isGpu = provider === 'webgpu';
  const { env, InferenceSession } = isGpu ? await import('./runtime/ort.webgpu.min.js') : ort;
  const script = `runtime/ort-wasm-simd-threaded${isGpu ? '.asyncify' : ''}.js`;
  env.logLevel = 'error';
  env.wasm.numThreads = isGpu ? 1 : THREADS;
  env.wasm.wasmPaths = { mjs: new URL(script, import.meta.url).href };
  if (binary) env.wasm.wasmBinary = /** @type {ArrayBuffer} */ (/** @type {unknown} */ (binary));
  return InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 3 }); // errors
}

/**
 * Runs a graph on those of the values that it reads.
 * @type {(session: ort.InferenceSession, values: Record<string, Value>) => Promise<Record<string, Value>>}
 */
export async function run(session, values) {
  const tensor = ({ type, data, dims }) => new ort.Tensor(type, data, dims);
  const inputs = session.inputNames.map((name) => [name, tensor(values[name])]);
  const outputs = Object.entries(await session.run(Object.fromEntries(inputs)));
  return Object.fromEntries(outputs.map(([name, { type, data, dims }]) => [name, { type, data, dims }]));
}

/** @type {(values: Float32Array | number[], dims: number[]) => Value} */
export function floats(values, dims) {
  return { type: 'float32', data: values instanceof Float32Array ? values : Float32Array.from(values), dims };
}

/** @type {(values: number[]) => Value} */
export function integers(values) {
  return { type: 'int64', data: BigInt64Array.from(values, BigInt), dims: [values.length] };
}

/** @type {(value: boolean) => Value} */
export function bool(value) {
  return { type: 'bool', data: Uint8Array.of(Number(value)), dims: [] };
}
