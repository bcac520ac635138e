// The worker of worker.js that runs Mask-to-Matte, which takes seconds; worker.js answers clicks meanwhile.
//
//   {id, binary, model, provider}   opens the graph, by WebAssembly or WebGPU; answers with the names of its inputs
//   {id, values}                    runs it; answers with alpha, (h, w) float32
//
// An answer is {id, value}, or {id, error, isBroken} with the text of an error.

import { openSession, run } from './onnx.js';

let session = null;
let queue = Promise.resolve(); // on WebGPU, runs of one session must not overlap

onmessage = ({ data }) => (queue = queue.then(() => answer(data)));

async function answer({ id, binary, model, provider, values }) {
  try {
    if (model) {
      session = await openSession(binary, model, provider);
      postMessage({ id, value: session.inputNames });
    } else {
      const { alpha } = await run(session, values);
      self.postMessage({ id, value: alpha.data }, { transfer: [alpha.data.buffer] });
    }
  } catch (error) {
    postMessage({ id, error: String(error), isBroken: error instanceof WebAssembly.RuntimeError });
  }
}
