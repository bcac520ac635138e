// The Web Worker that holds the model and the photo, so that the page stays responsive. It handles one message after the other,
// while matte_worker.js computes mattes:
//
//   start    {mostPixels}            downloads the model; answers with `progress`, then `ready`
//   open     {file | address, name, ops, document, opening, touching}   answers with a reply for the canvas
//            (demo/canvas/protocol.py), then as to `prompt`
//   prompt   a PromptMessage and `touching`; answers with the masks and previews of the result made from them, then the same of the mattes
//   preview  {id, message}           answers with an image or null
//   save     {id, form}              answers with a file
//   background {background}          null, a colour "#rrggbb" or a file; answers with new previews
//   frame    {side}                  the longest side of the previews that the page has room for; answers with larger ones if needed
//
// Answers to messages with an `id` repeat it. Images are Blobs.

import { DownloadError, loadGraphs } from './graphs.js';
import { PhotoError } from './photo.js';
import { drawPreviews, readBackground, save } from './result.js';
import { Session } from './session.js';
import { text } from './texts.js';

const SLOW = 300; // ms; previews under the pointer that take longer would delay the click that follows

let loading = null, graphs = null, mostPixels = 0, session = null;
let side = Infinity; // of the previews
let token = 0, opened = 0, newer = 0, waiting = 0, previewTime = 0, background = null; // newer: photos and prompts that wait
let queue = Promise.resolve(), refining = Promise.resolve(), newest = null, finished = null, missed = null; // prompts: the last one that was handled, that has its mattes, that was left for a newer photo

onmessage = ({ data }) => {
  if (data.kind === 'open') data.token = String(token = opened += 1); // what is about an older photo is skipped
  const replaces = data.kind === 'open' || data.kind === 'prompt';
  newer += replaces;
  waiting += 1;
  queue = queue.then(() => { waiting -= 1; newer -= replaces; return handlers[data.kind](data); }).catch((error) => report(error, data));
};

const handlers = {
  start(message) {
    mostPixels = message.mostPixels;
    loading = loadGraphs((received, total) => postMessage({ kind: 'progress', received, total }));
    loading.then(started).catch((error) => report(error, message)); // photos are decoded meanwhile
  },

  async open({ file, address, name, ops, document, opening, touching, token: own }) {
    if (own !== String(token)) return;
    const content = file || await (await fetch(address)).blob();
    const photo = await Session.open(loading, content, name, own, mostPixels);
    if (own !== String(token)) return;
    session = photo;
    previewTime = 0;
    const reply = session.opened(ops, document, opening), first = { ...reply.document, kind: 'prompt', token: own, turn: 0, have: [], touching };
    postMessage({ kind: 'reply', reply });
    if (first.objects.some((one) => one.ops.length)) await handlers.prompt(first).catch((error) => report(error, first));
  },

  async prompt(message) {
    if (!session || message.token !== session.token) return;
    if (session.token !== String(token)) { // another photo is being opened
      missed = message;
      return;
    }
    await session.encode();
    const masks = await session.answerWithMasks(message);
    newest = message;
    if (!masks) return finish(message); // all mattes are known
    postMessage({ kind: 'reply', reply: masks });
    postMessage({ kind: 'reply', reply: { kind: 'busy', text: text('refining') } });
    refining = refining.then(() => finish(message)).catch((error) => report(error, message));
    return draw(message); // the next message does not wait for the mattes
  },

  async preview({ id, message }) {
    const isOpen = session && session.scene && message.token === session.token, begun = performance.now();
    const image = isOpen && !waiting && previewTime < SLOW ? await session.preview(message).catch(() => null) : null; // the click itself reports errors
    if (image) previewTime = performance.now() - begun;
    postMessage({ kind: 'answer', id, value: image });
  },

  async background({ background: chosen }) {
    background = await readBackground(chosen);
    if (newest) await draw(newest);
  },

  async frame(message) {
    const isLarger = message.side > side;
    side = message.side;
    if (isLarger && newest) await draw(newest);
  },

  async save({ id, form }) {
    const isOpen = session && newest && newest.token === session.token;
    const mattes = isOpen ? await session.mattes(newest.objects, newest.touching) : []; // also those that are being computed
    postMessage({ kind: 'answer', id, value: mattes.length ? await save(session.photo, mattes, form, background) : null, name: session && session.photo.name });
  },
};

function started(loaded) {
  graphs = loaded;
  postMessage({ kind: 'ready', threads: graphs.threads });
  const failed = (error) => report(error, { kind: 'warm-up' });
  for (const step of graphs.warmUp()) {
    queue = queue.then(() => (waiting || session ? null : step())).then((started) => { if (started && started.matte) started.matte.catch(failed); }).catch(failed);
  }
}

// Answers a prompt with mattes, then with previews, unless a newer photo or prompt has made them useless.
async function finish(message) {
  const isCurrent = () => {
    const isNewest = message === newest && message.token === session.token;
    if (isNewest && newer) missed = message;
    return isNewest && !newer;
  };
  if (!isCurrent()) return;
  const reply = await session.answer(message);
  if (!isCurrent()) return;
  finished = message;
  postMessage({ kind: 'reply', reply });
  setTimeout(() => { queue = queue.then(() => draw(message)).catch((error) => report(error, message)); });
}

// Shows the result, with masks in place of mattes that are not there yet, unless something newer waits.
async function draw(message) {
  if (newer || !session || message.token !== session.token) return;
  const mattes = await (message === finished ? session.mattes(message.objects, message.touching) : session.drafts(message.objects, message.touching));
  const previews = mattes.length ? await drawPreviews(session.photo, mattes, background, side) : null;
  postMessage({ kind: 'result', previews });
}

function report(error, { id, kind, token: own }) {
  const isExpected = error instanceof PhotoError;
  if (!isExpected) console.warn(error);
  if (error instanceof WebAssembly.RuntimeError) postMessage({ kind: 'broken', key: 'stopped' }); // onnxruntime cannot be used again
  if (kind === 'warm-up') return undefined; // a photo may still work, and reports its own problems
  if (kind === 'prompt' && session && own !== session.token) return undefined; // of an older photo
  if (id !== undefined) return postMessage({ kind: 'answer', id, value: null, error: text('failed') });
  if (kind === 'background') return postMessage({ kind: 'problem', text: isExpected ? error.message : text('failed') });
  if (kind === 'start') return postMessage(error instanceof DownloadError ? { kind: 'broken', key: 'no_model' } : { kind: 'broken', key: 'cannot_run', reason: error.message });
  const words = isExpected ? error.message : text(graphs ? 'failed' : 'no_model');
  if (kind === 'open' && own !== String(token)) return undefined; // a newer photo is being opened
  postMessage({ kind: 'reply', reply: session ? { kind: 'failure', text: words } : { kind: 'no_photo', text: words, error: true } });
  if (kind !== 'open' || !session) return undefined;
  token = Number(session.token); // the photo that is open stays
  if (missed && missed.token === session.token) onmessage({ data: missed });
  missed = null;
  return undefined;
}
