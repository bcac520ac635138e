// The Web Worker that holds the model and the photo, so that the page stays responsive. It handles one message after the
// other, while matte_worker.js computes mattes:
//
//   start    {mostPixels}            downloads the model; answers with `progress`, then `ready`
//   open     {file | address, name, ops, document, opening, touching}   answers with a reply for the canvas
//            (demo/canvas/protocol.py), then as to `prompt`
//   prompt   a PromptMessage and `touching`; answers with the masks and previews of the result made from them, then the
//            same of the mattes
//   preview  {id, message}           answers with an image or null
//   offers   {id, message}           answers with a list of what else the prompts may mean, with images
//   save     {id, form}              answers with a file
//   background {background}          null, a colour "#rrggbb" or a file; answers with new previews
//   frame    {side}                  the longest side of the previews that the page has room for; answers with larger
//            ones if needed
//
// Answers to messages with an `id` repeat it. Images are Blobs.

/** @import { PromptMessage } from './types.d.ts' */

import { DownloadError, loadGraphs } from './graphs.js';
import { PhotoError, decode } from './photo.js';
import { drawPreviews, save } from './result.js';
import { Session } from './session.js';
import { text } from './texts.js';

const SLOW = 300; // ms; previews under the pointer that take longer would delay the click that follows

let loading = null;
let graphs = null;
let mostPixels = 0;
/** @type {Session | null} */
let session = null;
let side = Infinity; // of the previews
let background = null;
let token = 0; // of the newest photo
let opened = 0;
let waiting = 0; // messages
let newer = 0; // photos and prompts among them
let previewTime = 0;
let queue = Promise.resolve();
let refining = Promise.resolve();
/** The last prompt that was handled. @type {PromptMessage | null} */
let newest = null;
/** The last one that has its mattes. @type {PromptMessage | null} */
let finished = null;
/** The last one that was left for a newer photo. @type {PromptMessage | null} */
let missed = null;

/** @type {(message: any) => void} */
const send = (message) => self.postMessage(message);

self.onmessage = ({ data }) => {
  if (data.kind === 'open') data.token = String((token = opened += 1)); // what is about an older photo is skipped
  const replaces = Number(data.kind === 'open' || data.kind === 'prompt');
  newer += replaces;
  waiting += 1;
  enqueue(() => {
    waiting -= 1;
    newer -= replaces;
    return handlers[data.kind](data);
  }, data);
};

/** Runs a step after all others; `message` is what failures are about. */
function enqueue(step, message) {
  queue = queue.then(step).catch((error) => report(error, message));
}

const handlers = {
  start(message) {
    mostPixels = message.mostPixels;
    loading = loadGraphs((received, total) => send({ kind: 'progress', received, total }));
    loading.then(started).catch((error) => report(error, message)); // photos are decoded meanwhile
  },

  async open({ file, address, name, ops, document, opening, touching, token: own }) {
    if (own !== String(token)) return;
    const content = file || (await (await fetch(address)).blob());
    const photo = await Session.open(loading, content, name, own, mostPixels);
    if (own !== String(token)) return;
    session = photo;
    previewTime = 0;
    const reply = session.opened(ops, document, opening);
    send({ kind: 'reply', reply });
    const first = { ...reply.document, kind: 'prompt', token: own, turn: 0, have: [], touching };
    if (!first.objects.some((one) => one.ops.length)) return;
    await handlers.prompt(first).catch((error) => report(error, first));
  },

  async prompt(message) {
    if (!session || message.token !== session.token) return;
    if (session.token !== String(token)) {
      missed = message; // another photo is being opened
      return;
    }
    await session.encode();
    const masks = await session.answer(message, true);
    newest = message;
    if (!masks) return finish(message); // all mattes are known
    send({ kind: 'reply', reply: masks });
    send({ kind: 'reply', reply: { kind: 'busy', text: text('refining') } });
    refining = refining.then(() => finish(message)).catch((error) => report(error, message));
    return draw(message); // the next message does not wait for the mattes
  },

  async preview({ id, message }) {
    const begun = performance.now();
    const isWanted = session && session.scene && message.token === session.token && !waiting && previewTime < SLOW;
    const value = isWanted ? await session.preview(message).catch(() => null) : null; // the click itself reports errors
    if (value) previewTime = performance.now() - begun;
    send({ kind: 'answer', id, value });
  },

  async offers({ id, message: { token: own, ops } }) {
    const isOpen = session && session.scene && own === session.token && !newer;
    const value = isOpen ? await session.offers(ops, () => newer > 0).catch(() => []) : []; // nobody asked for them
    send({ kind: 'answer', id, value });
  },

  async background({ background: chosen }) {
    background = chosen instanceof Blob ? await decode(chosen, /** @type {File} */ (chosen).name) : chosen;
    if (newest) await draw(newest);
  },

  async frame(message) {
    const isLarger = message.side > side;
    side = message.side;
    if (isLarger && newest) await draw(newest);
  },

  async save({ id, form }) {
    const isOpen = session && newest && newest.token === session.token;
    const mattes = isOpen ? await session.mattes(newest.objects, newest.touching) : []; // also those being computed
    const value = mattes.length ? await save(session.photo, mattes, form, background) : null;
    send({ kind: 'answer', id, value, name: session && session.photo.name });
  },
};

function started(loaded) {
  graphs = loaded;
  send({ kind: 'ready', threads: graphs.threads });
  for (const step of graphs.warmUp()) {
    const message = { kind: 'warm-up' };
    enqueue(async () => {
      const begun = waiting || session ? null : await step();
      if (begun && begun.matte) begun.matte.catch((error) => report(error, message));
    }, message);
  }
}

/** Answers a prompt with mattes, then with previews, unless a newer photo or prompt has made them useless. */
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
  send({ kind: 'reply', reply });
  setTimeout(() => enqueue(() => draw(message), message));
}

/** Shows the result, with masks in place of mattes that are not there yet, unless something newer waits. */
async function draw(message) {
  if (newer || !session || message.token !== session.token) return;
  const mattes = await session.mattes(message.objects, message.touching, message !== finished);
  send({
    kind: 'result',
    previews: mattes.length ? await drawPreviews(session.photo, mattes, background, side) : null,
  });
}

/**
 * Tells the visitor about an error, in words that fit the message that it is about.
 * @param {Error} error @param {{ kind: string, id?: number, token?: string }} message
 */
function report(error, { id, kind, token: own }) {
  const isExpected = error instanceof PhotoError;
  const words = isExpected
    ? error.message
    : text(graphs || kind === 'background' || id !== undefined ? 'failed' : 'no_model');
  if (!isExpected) console.warn(error);
  if (error instanceof WebAssembly.RuntimeError) send({ kind: 'broken', key: 'stopped' }); // it cannot be used again
  if (kind === 'warm-up') return; // a photo may still work, and reports its own problems
  if (kind === 'prompt' && session && own !== session.token) return; // of an older photo
  if (kind === 'open' && own !== String(token)) return; // a newer photo is being opened
  if (id !== undefined) send({ kind: 'answer', id, value: null, error: words });
  else if (kind === 'background') send({ kind: 'problem', text: words });
  else if (kind === 'start') {
    const isDownload = error instanceof DownloadError;
    send({ kind: 'broken', key: isDownload ? 'no_model' : 'cannot_run', reason: error.message });
  } else {
    const reply = session ? { kind: 'failure', text: words } : { kind: 'no_photo', text: words, error: true };
    send({ kind: 'reply', reply });
    if (kind === 'open' && session) reopen();
  }
}

/** The photo that is open stays, because the next one failed. */
function reopen() {
  token = Number(session.token);
  if (missed && missed.token === session.token) self.onmessage(new MessageEvent('message', { data: missed }));
  missed = null;
}
