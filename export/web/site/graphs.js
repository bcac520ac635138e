// The three graphs as one object: download, sessions of onnxruntime-web, and calls. As mam/runtime.py.

import * as ort from './runtime/ort.wasm.min.mjs';
import { MASK_SIDE, SIDE } from './frames.js';
import { MODEL } from './model.js';

const CACHE = `mam-model ${new URL('.', import.meta.url).pathname}`; // the service worker keeps it when the page changes
const MOST_THREADS = 4, WARM_SIDE = 32;

// Downloads and opens everything. `onProgress` is called with bytes received and all bytes.
export async function loadGraphs(onProgress) {
  const received = {}, total = Object.values(MODEL.files).reduce((sum, { bytes }) => sum + bytes, 0);
  const parts = Object.fromEntries(Object.entries(MODEL.files).map(([name, file]) => [name, readPacked(file, (bytes) => {
    received[name] = bytes;
    onProgress(Object.values(received).reduce((sum, one) => sum + one, 0), total);
  })]));
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  ort.env.wasm.wasmPaths = { mjs: new URL('runtime/ort-wasm-simd-threaded.mjs', import.meta.url).href };
  ort.env.wasm.wasmBinary = await parts.runtime;
  const sessions = {};
  for (const name of ['image_encoder', 'mask_decoder', 'matte']) {
    sessions[name] = await ort.InferenceSession.create(await parts[name], { executionProviders: ['wasm'] });
  }
  return new Graphs(sessions, MODEL.policy, ort.env.wasm.numThreads);
}

// A file of the model, unpacked as export/web/pack.py describes.
async function readPacked({ file, bytes, halves }, onProgress) {
  const packed = await download(new URL(file, import.meta.url).href, bytes, onProgress);
  const stream = packed.stream().pipeThrough(new DecompressionStream('gzip'));
  return joinHalves(new Uint8Array(await new Response(stream).arrayBuffer()), halves);
}

// Everything else, then the high bytes of all half-precision numbers, then their low bytes -> the file.
export function joinHalves(parts, halves) {
  const numbers = halves.reduce((sum, [, length]) => sum + length / 2, 0);
  const content = new Uint8Array(parts.length);
  let rest = 0, high = parts.length - 2 * numbers, at = 0;
  for (const [start, length] of halves) {
    content.set(parts.subarray(rest, rest + start - at), at);
    rest += start - at;
    at = start + length;
    for (let i = start; i < at; i += 2, high += 1) {
      content[i] = parts[high + numbers];
      content[i + 1] = parts[high];
    }
  }
  content.set(parts.subarray(rest, parts.length - 2 * numbers), at);
  return content;
}

async function download(address, bytes, onProgress) { // from the cache after the first visit; browsers have one on https and localhost
  const cache = self.caches ? await caches.open(CACHE) : null, cached = cache && await cache.match(address);
  if (cached) {
    onProgress(bytes);
    return cached.blob();
  }
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const parts = [], reader = answer.body.getReader();
  let received = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    received += value.length;
    onProgress(received);
  }
  const content = new Blob(parts);
  if (content.size !== bytes) throw new Error(`${address}: ${content.size} of ${bytes} bytes`);
  if (cache) await cache.put(address, new Response(content)).catch(() => {}); // no room: the next visit downloads again
  return content;
}

class Graphs {
  constructor(sessions, policy, threads) {
    Object.assign(this, { sessions, policy, threads }); // policy: {cropMargin or null, multimask, mainObject}
  }

  // (1, 3, 1024, 1024) float32 -> features by name.
  encode(image) {
    return this.sessions.image_encoder.run({ image: float(image, [1, 3, SIDE, SIDE]) });
  }

  // One prompt -> {masks: (4, 256, 256) float32, scores: 4 numbers}.
  async decode(features, { coords, labels, maskInput, hasMask }) {
    const found = await this.sessions.mask_decoder.run({
      ...features,
      point_coords: float(coords.flat(), [1, coords.length, 2]),
      point_labels: float(labels, [1, labels.length]),
      mask_input: float(maskInput, [1, 1, MASK_SIDE, MASK_SIDE]),
      has_mask_input: float([hasMask], [1]),
    });
    return { masks: found.low_res_masks.data, scores: Array.from(found.iou_predictions.data) };
  }

  // Logits (256, 256) -> alpha (h, w) float32, original frame.
  async matte(image, features, logits, frame, byMask) {
    const values = {
      ...features,
      image: float(image, [1, 3, SIDE, SIDE]),
      mask_logits: float(logits, [1, 1, MASK_SIDE, MASK_SIDE]),
      input_size: integers(frame.inputSize),
      original_size: integers(frame.originalSize),
      mask_guidance: new ort.Tensor('bool', [byMask], []),
    };
    const { matte } = this.sessions;
    const { alpha } = await matte.run(Object.fromEntries(matte.inputNames.map((name) => [name, values[name]])));
    return alpha.data;
  }

  // Steps that run each graph once on nothing, because the first run is the slowest: the browser compiles while it runs.
  warmUp() {
    const image = new Float32Array(3 * SIDE * SIDE), logits = new Float32Array(MASK_SIDE * MASK_SIDE).fill(-1);
    const frame = { inputSize: [SIDE, SIDE], originalSize: [MASK_SIDE, MASK_SIDE] };
    for (let y = 0; y < WARM_SIDE; y += 1) logits.fill(1, y * MASK_SIDE, y * MASK_SIDE + WARM_SIDE);
    let features = null;
    return [
      async () => { features = await this.encode(image); },
      async () => features && this.decode(features, { coords: [[0, 0]], labels: [-1], maskInput: logits, hasMask: 0 }),
      async () => features && this.matte(image, features, logits, frame, false),
    ];
  }
}

function float(values, shape) {
  return new ort.Tensor('float32', values instanceof Float32Array ? values : Float32Array.from(values), shape);
}

function integers(values) {
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [values.length]);
}
