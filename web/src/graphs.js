// The three graphs as one object: download, sessions of onnxruntime-web, and calls. As mam/model/runtime.py.

import { MASK_SIDE, SIDE } from './frames.js';
import { MODEL } from './model.js';
import { THREADS, bool, floats, integers, openSession, run } from './onnx.js';

const CACHE = `mam-model ${new URL('.', import.meta.url).pathname}`; // the service worker keeps it when the page changes
const LARGE = 6e6; // pixels of an alpha
const WARM_SIDE = 32, STOPPED = 'the worker of the matte has stopped';

export class DownloadError extends Error {} // the network's or the server's

// Downloads and opens everything. `onProgress` is called with bytes received and all bytes.
export async function loadGraphs(onProgress) {
  const received = {}, total = Object.values(MODEL.files).reduce((sum, { bytes }) => sum + bytes, 0);
  const parts = Object.fromEntries(Object.entries(MODEL.files).map(([name, file]) => [name, readPacked(file, (bytes) => {
    received[name] = bytes;
    onProgress(Object.values(received).reduce((sum, one) => sum + one, 0), total);
  })]));
  const open = async (name) => openSession(await parts.runtime, await parts[name]);
  const matte = MatteWorker.open(parts.runtime, parts.matte); // meanwhile
  const encoder = await open('image_encoder'), decoder = await open('mask_decoder');
  return new Graphs(encoder, decoder, await matte, MODEL.policy, THREADS);
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

async function openCache() { // null where browsers have none, or where the visitor blocks the data of sites
  try {
    return await self.caches.open(CACHE);
  } catch (error) {
    return null;
  }
}

async function download(address, bytes, onProgress) { // from the cache after the first visit; browsers have one on https and localhost
  const cache = await openCache(), cached = cache && await cache.match(address).catch(() => null);
  if (cached) {
    onProgress(bytes);
    return cached.blob();
  }
  const content = await receive(address, onProgress).catch((error) => { throw new DownloadError(`${address}: ${error.message}`); });
  if (content.size !== bytes) throw new DownloadError(`${address}: ${content.size} of ${bytes} bytes`);
  if (cache) await cache.put(address, new Response(content)).catch(() => {}); // no room: the next visit downloads again
  return content;
}

async function receive(address, onProgress) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status);
  const parts = [], reader = answer.body.getReader();
  let received = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    received += value.length;
    onProgress(received);
  }
  return new Blob(parts);
}

// Mask-to-Matte in a worker of its own. The memory of WebAssembly only grows: after the matte of a large photo the worker is replaced.
class MatteWorker {
  static async open(binary, model) {
    const opened = new MatteWorker();
    opened.files = { binary: await binary, model: await model };
    await opened.start();
    return opened;
  }

  async start() {
    Object.assign(this, { worker: new Worker(new URL('matte_worker.js', import.meta.url), { type: 'module' }), calls: new Map(), number: 0, hasStopped: false });
    this.worker.onmessage = ({ data }) => this.answer(data);
    this.worker.onerror = () => {
      this.hasStopped = true;
      for (const id of [...this.calls.keys()]) this.answer({ id, error: STOPPED, isBroken: true });
    };
    this.inputNames = await this.call(this.files);
  }

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

  call(message) {
    if (this.hasStopped) return Promise.reject(new WebAssembly.RuntimeError(STOPPED));
    this.number += 1;
    this.worker.postMessage({ ...message, id: this.number });
    return new Promise((resolve, reject) => { this.calls.set(this.number, { resolve, reject }); });
  }

  answer({ id, value, error, isBroken }) {
    const { resolve, reject } = this.calls.get(id);
    this.calls.delete(id);
    if (error) reject(isBroken ? new WebAssembly.RuntimeError(error) : new Error(error));
    else resolve(value);
  }
}

class Graphs {
  constructor(encoder, decoder, matteWorker, policy, threads) {
    Object.assign(this, { encoder, decoder, matteWorker, policy, threads }); // policy: {cropMargin or null, multimask, mainObject}
  }

  // (1, 3, 1024, 1024) float32 -> features by name.
  encode(image) {
    return run(this.encoder, { image: floats(image, [1, 3, SIDE, SIDE]) });
  }

  // One prompt -> {masks: (4, 256, 256) float32, scores: 4 numbers}.
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

  // Logits (256, 256) -> alpha (h, w) float32, original frame.
  matte(image, features, logits, frame, byMask) {
    return this.matteWorker.run({
      ...features,
      image: floats(image, [1, 3, SIDE, SIDE]),
      mask_logits: floats(logits, [1, 1, MASK_SIDE, MASK_SIDE]),
      input_size: integers(frame.inputSize),
      original_size: integers(frame.originalSize),
      mask_guidance: bool(byMask),
    });
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
      async () => features && { matte: this.matte(image, features, logits, frame, false) }, // not awaited: another worker computes it
    ];
  }
}
