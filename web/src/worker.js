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
//   close    {}                      forgets the photo
//   find     {text}                  answers with boxes of the objects that a text names; gets their model at the first text
//   cut      {id, file, ops, form, style}   answers with the file of an object of another photo, and whether it is doubtful;
//            without a file, of the last such photo; without a style, in that of the page
//   save     {id, form}              answers with a file
//   style    {style, picture}        a Style, with "picture" in place of an image; the file or the address of the picture
//            if it is another one; answers with new previews
//   frame    {side}                  the longest side of the previews that the page has room for; answers with larger
//            ones if needed
//
// Answers to messages with an `id` repeat it. Images are Blobs.

/** @import { PromptMessage } from './types.d.ts' */

import { isDoubtful } from './decoding.js';
import { DownloadError, loadGraphs, readPacked } from './graphs.js';
import { WORDS } from './model.js';
import { openSession } from './onnx.js';
import { PhotoError, decode } from './photo.js';
import { PLAIN } from './composition.js';
import { FORMS, Previews, save } from './result.js';
import { MAIN_OBJECT, Session } from './session.js';
import { text } from './texts.js';

const MOST_BOXES = 12; // of a text
const SLOW = 300; // ms; previews under the pointer that take longer would delay the click that follows

let loading = null;
let graphs = null;
let words = null; // their module and session
let mostPixels = 0;
/** @type {Session | null} */
let session = null;
/** @type {Session | null} */
let other = null; // the photo of the last `cut`
let side = Infinity; // of the previews
const previews = new Previews();
let style = PLAIN;
let picture = null;
let styles = 0; // messages about it that wait
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
  if (data.kind === 'close') token = opened += 1;
  if (data.kind === 'open') data.token = String((token = opened += 1)); // what is about an older photo is skipped
  const replaces = Number(data.kind === 'open' || data.kind === 'prompt');
  const styled = Number(data.kind === 'style');
  newer += replaces;
  styles += styled;
  waiting += 1;
  enqueue(() => {
    waiting -= 1;
    newer -= replaces;
    styles -= styled;
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

  async style({ style: chosen, picture: source }) {
    if (source) picture = await readPicture(source);
    style = chosen.background === 'picture' ? { ...chosen, background: picture } : chosen;
    if (newest && !styles) await draw(newest); // a slider sends more of them than can be drawn
  },

  async frame(message) {
    const isLarger = message.side > side;
    side = message.side;
    if (isLarger && newest) await draw(newest);
  },

  close() {
    session = newest = finished = missed = null;
    previews.forget();
  },

  async find({ text: given }) {
    if (!session || session.token !== String(token)) return send({ kind: 'problem', text: text('open_first') });
    const reply = { kind: 'text_boxes', token: session.token, boxes: [], note: '', text: '', error: true };
    const answer = (values) => send({ kind: 'reply', reply: { ...reply, ...values } });
    send({ kind: 'reply', reply: { kind: 'busy', text: text('looking_for', { text: given }) } });
    await loading;
    words ||= await openWords();
    try {
      const read = words.readWords(given);
      const boxes = await words.findWords(words.session, session.photo, [...new Set(read.map(({ name }) => name))]);
      if (!boxes.length) return answer({ text: text('text_not_found', { text: given }) });
      const vague = read.find(({ isExact }) => !isExact);
      const notes = [vague && text('read_as', vague), vague && boxes.length > 1 && text('choose_place')];
      const listed = boxes.slice(0, MOST_BOXES);
      return answer({
        boxes: listed.map(({ xy, name, score }) => ({ xy, label: `${name} ${score.toFixed(2)}` })),
        note: notes.filter(Boolean).join(' '),
        error: false,
      });
    } catch (error) {
      if (!(error instanceof words.WordError)) throw error;
      return answer({ text: text(error.message, error.values) });
    }
  },

  async cut({ id, file, ops = MAIN_OBJECT, form, style: own = style }) {
    if (file) {
      other = null; // its memory goes first
      other = await Session.open(loading, file, file.name || 'photo', '', mostPixels);
      await other.encode();
    }
    const matte = await other.matte(ops, false);
    const value = matte && (await save(other.photo, [matte], form, own));
    send({ kind: 'answer', id, value, name: nameOf(other, form), isDoubtful: matte && isDoubtful(matte.segment) });
  },

  async save({ id, form }) {
    const isOpen = session && newest && newest.token === session.token;
    const mattes = isOpen ? await session.mattes(newest.objects, newest.touching) : []; // also those being computed
    const value = mattes.length ? await save(session.photo, mattes, form, style) : null;
    send({ kind: 'answer', id, value, name: session && nameOf(session, form) });
  },
};

function started(loaded) {
  graphs = loaded;
  send({ kind: 'ready', threads: graphs.threads });
  for (const step of graphs.warmUp()) {
    const message = { kind: 'warm-up' };
    enqueue(async () => {
      const begun = waiting || session ? null : await step();
      if (begun && begun.matte) begun.matte.then(proveGpu).catch((error) => report(error, message));
    }, message);
  }
}

/** Unless the visitor waits for something. */
function proveGpu() {
  if (!waiting) graphs.proveGpu();
}

/** @type {(session: Session, form: string) => string} */
const nameOf = ({ photo }, form) => `${photo.name}${FORMS[form].ending}`;

/** Downloads what finds objects by their names. */
async function openWords() {
  const show = (bytes) => {
    const percent = Math.floor((100 * bytes) / WORDS.file.bytes);
    send({ kind: 'reply', reply: { kind: 'busy', text: text('loading', { percent }) } });
  };
  const [module, model] = await Promise.all([import('./words.js'), readPacked(WORDS.file, show)]);
  return { ...module, session: await openSession(null, model) };
}

/** @type {(source: File | string) => Promise<ImageBitmap>} */
async function readPicture(source) {
  if (typeof source !== 'string') return decode(source, source.name);
  return decode(await (await fetch(source)).blob(), source);
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
  setTimeout(() => enqueue(() => draw(message).then(proveGpu), message));
}

/** Shows the result, with masks in place of mattes that are not there yet, unless something newer waits. */
async function draw(message) {
  if (newer || !session || message.token !== session.token) return;
  const mattes = await session.mattes(message.objects, message.touching, message !== finished);
  send({
    kind: 'result',
    previews: mattes.length ? await previews.draw(session.photo, mattes, style, side) : null,
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
    : text(graphs || kind === 'style' || id !== undefined ? 'failed' : 'no_model');
  if (!isExpected) console.warn(error);
  if (error instanceof WebAssembly.RuntimeError) send({ kind: 'broken', key: 'stopped' }); // it cannot be used again
  if (kind === 'warm-up') return; // a photo may still work, and reports its own problems
  if (kind === 'prompt' && session && own !== session.token) return; // of an older photo
  if (kind === 'open' && own !== String(token)) return; // a newer photo is being opened
  if (id !== undefined) send({ kind: 'answer', id, value: null, error: words });
  else if (kind === 'style') send({ kind: 'problem', text: words });
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
