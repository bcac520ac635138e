// onnxruntime-web in a worker: its settings, sessions, and values that travel between workers.

import * as ort from './runtime/ort.wasm.min.js';

const MOST_THREADS = 4;
export const THREADS = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;

// `binary` is the runtime's WebAssembly, `model` an ONNX file.
export function openSession(binary, model) {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = THREADS;
  ort.env.wasm.wasmPaths = { mjs: new URL('runtime/ort-wasm-simd-threaded.js', import.meta.url).href };
  ort.env.wasm.wasmBinary = binary;
  return ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
}

// Runs a graph on those of the values that it reads, {type, data, dims} by name -> the same.
export async function run(session, values) {
  const inputs = session.inputNames.map((name) => [name, new ort.Tensor(values[name].type, values[name].data, values[name].dims)]);
  const outputs = await session.run(Object.fromEntries(inputs));
  return Object.fromEntries(Object.entries(outputs).map(([name, { type, data, dims }]) => [name, { type, data, dims }]));
}

export function floats(values, dims) {
  return { type: 'float32', data: values instanceof Float32Array ? values : Float32Array.from(values), dims };
}

export function integers(values) {
  return { type: 'int64', data: BigInt64Array.from(values, BigInt), dims: [values.length] };
}

export function bool(value) {
  return { type: 'bool', data: Uint8Array.of(value), dims: [] };
}
