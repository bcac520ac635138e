// The three graphs as one object: download, sessions of onnxruntime-web, and calls.

/** @import { ModelFile, Policy, Value } from './types.d.ts' */
/** @import { Frame } from './frames.js' */

import { MASK_SIDE, SIDE } from './frames.js';
import { MODEL } from './model.js';
import { THREADS, bool, floats, integers, openSession, run } from './onnx.js';
import { joinHalves } from './packing.js';
import { ProvenBackend, hasGpu } from './webgpu.js';

const CACHE = `mam-model ${new URL('.', import.meta.url).pathname}`; // the service worker keeps it when the page changes
const LARGE = 6e6; // pixels of an alpha
const STOPPED = 'the worker of the matte has stopped';

/** The network's or the server's. */
export class DownloadError extends Error {}

/** Downloads and opens everything. @param {(received: number, total: number) => void} onProgress in bytes */
export async function loadGraphs(onProgress) {
  const received = {};
  const sum = (values) => values.reduce((one, other) => one + other, 0);
  const total = sum(Object.values(MODEL.files).map(({ bytes }) => bytes));
  const start = (name) =>
    readPacked(MODEL.files[name], (bytes) => {
      received[name] = bytes;
      onProgress(sum(Object.values(received)), total);
    });
  const [runtime, ...models] = ['runtime', 'image_encoder', 'mask_decoder', 'matte'].map(start);
  const opening = openMatte(runtime, models[2]); // meanwhile
  const encoder = await openSession(await runtime, await models[0]);
  const decoder = await openSession(await runtime, await models[1]);
  return new Graphs(encoder, decoder, await opening);
}

/** @param {Promise<Uint8Array>} binary @param {Promise<Uint8Array>} model */
async function openMatte(binary, model) {
  const opened = new MatteWorker({ binary: await binary, model: await model, provider: 'wasm' });
  await opened.starting;
  return opened;
}

/** The same graph on WebGPU, whose runtime is fetched now; null without a GPU. @param {MatteFiles} files */
async function openGpu(files) {
  if (!(await hasGpu(self.navigator['gpu']))) return null;
  return new MatteWorker({ ...files, binary: await readPacked(MODEL.webgpu, () => {}), provider: 'webgpu' });
}

/** @param {ModelFile} file @param {(bytes: number) => void} onProgress */
export async function readPacked({ file, bytes, halves }, onProgress) {
  const packed = await download(new URL(file, import.meta.url).href, bytes, onProgress);
  const stream = packed.stream().pipeThrough(new DecompressionStream('gzip'));
  return joinHalves(new Uint8Array(await new Response(stream).arrayBuffer()), halves);
}

/** From the cache after the first visit; browsers have one on https and localhost, unless the visitor blocks the data of sites. */
async function download(address, bytes, onProgress) {
  const cache = await Promise.resolve()
    .then(() => self.caches.open(CACHE))
    .catch(() => null);
  const cached = cache && (await cache.match(address).catch(() => null));
  if (cached) {
    onProgress(bytes);
    return cached.blob();
  }
  const content = await receive(address, onProgress).catch((error) => {
    throw new DownloadError(`${address}: ${error.message}`);
  });
  if (content.size !== bytes) throw new DownloadError(`${address}: ${content.size} of ${bytes} bytes`);
  if (cache) await cache.put(address, new Response(content)).catch(() => {}); // no room: the next visit downloads again
  return content;
}

async function receive(address, onProgress) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(String(answer.status));
  const parts = [];
  const reader = answer.body.getReader();
  let received = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    received += value.length;
    onProgress(received);
  }
  return new Blob(parts);
}

/** @typedef {{ binary: Uint8Array, model: Uint8Array, provider: 'wasm' | 'webgpu' }} MatteFiles */

/** Mask-to-Matte in a worker of its own. The memory of WebAssembly only grows: after a large alpha the worker is replaced. */
class MatteWorker {
  /** @param {MatteFiles} files */
  constructor(files) {
    this.files = files;
    this.starting = this.start();
  }

  async start() {
    this.worker = new Worker(new URL('matte_worker.js', import.meta.url), { type: 'module' });
    this.calls = new Map();
    this.number = 0;
    this.hasStopped = false;
    this.worker.onmessage = ({ data }) => this.answer(data);
    this.worker.onerror = () => this.close();
    this.inputNames = await this.call(this.files);
  }

  /** @param {Record<string, Value>} values */
  async run(values) {
    await this.starting;
    const alpha = await this.call({ values: Object.fromEntries(this.inputNames.map((name) => [name, values[name]])) });
    if (alpha.length > LARGE && !this.calls.size) {
      this.worker.terminate();
      this.starting = this.start();
      this.starting.catch(() => {}); // the next call reports it
    }
    return alpha;
  }

  close() {
    this.worker.terminate();
    this.hasStopped = true;
    for (const id of [...this.calls.keys()]) this.answer({ id, error: STOPPED, isBroken: true });
  }

  call(message) {
    if (this.hasStopped) return Promise.reject(new WebAssembly.RuntimeError(STOPPED));
    this.number += 1;
    this.worker.postMessage({ ...message, id: this.number });
    return new Promise((resolve, reject) => this.calls.set(this.number, { resolve, reject }));
  }

  /** @param {{ id: number, value?: any, error?: string, isBroken?: boolean }} message */
  answer({ id, value, error, isBroken }) {
    const { resolve, reject } = this.calls.get(id);
    this.calls.delete(id);
    if (error) reject(isBroken ? new WebAssembly.RuntimeError(error) : new Error(error));
    else resolve(value);
  }
}

class Graphs {
  /** @type {Policy} */
  policy = MODEL.policy;
  threads = THREADS;

  constructor(encoder, decoder, matteWorker) {
    this.encoder = encoder;
    this.decoder = decoder;
    this.backend = new ProvenBackend(matteWorker);
    /** Until it is called. @type {null | (() => Promise<MatteWorker | null>)} */
    this.openGpu = () => openGpu(matteWorker.files);
  }

  /** Features by name of an input image, (1, 3, 1024, 1024). @param {Float32Array} image */
  encode(image) {
    return run(this.encoder, { image: floats(image, [1, 3, SIDE, SIDE]) });
  }

  /** Four masks of 256 x 256 logits, and their scores. */
  async decode(features, { coords, labels, maskInput, hasMask }) {
    const found = await run(this.decoder, {
      ...features,
      point_coords: floats(coords.flat(), [1, coords.length, 2]),
      point_labels: floats(labels, [1, labels.length]),
      mask_input: floats(maskInput, [1, 1, MASK_SIDE, MASK_SIDE]),
      has_mask_input: floats([hasMask], [1]),
    });
    return { masks: found.low_res_masks.data, scores: Array.from(found.iou_predictions.data) };
  }

  /**
   * The alpha of a crop, in [0, 1], at its own size.
   * @type {(image: Float32Array, features: object, logits: Float32Array, frame: any, byMask: boolean) => Promise<Float32Array>}
   */
  matte(image, features, logits, { inputSize, originalSize }, byMask) {
    const values = {
      ...features,
      image: floats(image, [1, 3, SIDE, SIDE]),
      mask_logits: floats(logits, [1, 1, MASK_SIDE, MASK_SIDE]),
      input_size: integers(inputSize),
      original_size: integers(originalSize),
      mask_guidance: bool(byMask),
    };
    if (this.openGpu) this.proof = { ...values, original_size: integers(inputSize.map((side) => Math.ceil(side / 4))) };
    return this.backend.run(values);
  }

  /** Tries WebGPU, once, on the values of the last matte at a small size. To be called when the visitor waits for nothing. */
  proveGpu() {
    if (!this.openGpu || !this.proof) return;
    this.backend.prove(this.openGpu, this.proof);
    this.openGpu = this.proof = null;
  }

  /** Steps that run each graph once on nothing, because the first run is the slowest: the browser compiles while it runs. */
  warmUp() {
    const image = new Float32Array(3 * SIDE * SIDE);
    const logits = new Float32Array(MASK_SIDE * MASK_SIDE).map((_, i) =>
      i % MASK_SIDE < 32 && i < 32 * MASK_SIDE ? 1 : -1,
    );
    const frame = { inputSize: [SIDE, SIDE], originalSize: [MASK_SIDE, MASK_SIDE] };
    const prompt = { coords: [[0, 0]], labels: [-1], maskInput: logits, hasMask: 0 };
    let features = null;
    return [
      async () => void (features = await this.encode(image)),
      async () => void (features && (await this.decode(features, prompt))),
      async () => features && { matte: this.matte(image, features, logits, frame, false) }, // another worker computes it
    ];
  }
}
