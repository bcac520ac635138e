// Runs one graph in onnxruntime-web, WebAssembly on one thread: node ort_web.mjs JOB, a folder that `export.runtimes`
// fills with job.json and the inputs' values; outputs and times are written beside them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web/wasm";

const ARRAYS = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array };
const folder = process.argv[2];
const job = JSON.parse(readFileSync(join(folder, "job.json"), "utf8"));

const tensor = ({ dtype, shape, file }) => {
  const bytes = readFileSync(join(folder, file));
  const values = new ARRAYS[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return new ort.Tensor(dtype, values, shape);
};

ort.env.wasm.numThreads = 1;
let start = performance.now();
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(job.graph)));
const report = { load: performance.now() - start, times: [], outputs: [] };
for (const [i, feed] of job.feeds.entries()) {
  const inputs = Object.fromEntries(Object.entries(feed).map(([name, described]) => [name, tensor(described)]));
  let results;
  for (let k = 0; k < job.repeats; k++) {
    start = performance.now();
    results = await session.run(inputs);
    report.times.push(performance.now() - start);
  }
  report.outputs.push(session.outputNames.map((name, j) => {
    const file = `output_${i}_${j}`;
    writeFileSync(join(folder, file), new Uint8Array(results[name].data.buffer));
    return { file, shape: results[name].dims };
  }));
}
writeFileSync(join(folder, "report.json"), JSON.stringify(report));
