// The page around the canvas: it connects the canvas to the worker, shows the download's progress and the result, and
// saves files.

import { mountCanvas } from './canvas.js';
import { offer, watchBatch } from './batch.js';
import { EXAMPLES, WORDS } from './model.js';
import { find, findAll } from './elements.js';
import { showLook } from './look.js';
import { receiveFiles } from './receive.js';
import { watchStyle } from './style.js';
import { language, text } from './texts.js';

const isPhone = navigator.maxTouchPoints > 1 && Math.min(screen.width, screen.height) < 900;
const MOST_PIXELS = isPhone ? 8e6 : 24e6; // of a photo; a larger one is made smaller

document.documentElement.lang = language;
for (const part of findAll('[data-page]')) part.textContent = text(part.dataset.page);
for (const part of findAll('[data-page-name]')) part.setAttribute('aria-label', text(part.dataset.pageName));

// The worker ----------------------------------------------------------------------------------------------------------

if (window.start.problem) throw new Error(window.start.problem); // is shown already
const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
const calls = new Map(); // by id: what waits for an answer
let number = 0;
let broken = ''; // the error, once the worker has stopped

function call(message) {
  number += 1;
  if (broken) return Promise.resolve({ value: null, error: broken });
  worker.postMessage({ ...message, id: number });
  return new Promise((resolve) => calls.set(number, resolve));
}

function send(message) {
  if (broken) showBroken(broken);
  else worker.postMessage(message);
}

/** Nothing waits for the worker any longer. */
function showBroken(words) {
  broken = words;
  find('#loading').hidden = true;
  find('#broken').hidden = false;
  find('#broken span').textContent = words;
  for (const answer of calls.values()) answer({ value: null, error: words });
  calls.clear();
  deliver({ kind: props.value.kind === 'no_photo' ? 'no_photo' : 'failure', text: words, error: true });
}

const receivers = {
  progress({ received, total }) {
    const percent = Math.floor((100 * received) / total);
    find('#loading progress').value = percent;
    find('#loading span').textContent = percent < 100 ? text('loading', { percent }) : text('starting');
  },
  ready() {
    find('#loading').hidden = true;
    document.body.dataset.model = 'ready';
  },
  broken: ({ key, reason }) => showBroken(text(key, { reason })),
  reply: ({ reply }) => receive(reply),
  result: ({ previews }) => showResult(previews),
  problem: (message) => showProblem(message.text),
  answer(message) {
    if (calls.has(message.id)) calls.get(message.id)(message);
    calls.delete(message.id);
  },
};
worker.onmessage = ({ data }) => receivers[data.kind](data);
worker.onerror = () => showBroken(text(document.body.dataset.model === 'ready' ? 'stopped' : 'no_model'));
find('#broken button').onclick = () => location.reload();
worker.postMessage({ kind: 'start', mostPixels: MOST_PIXELS });

// The canvas ----------------------------------------------------------------------------------------------------------

const props = { value: { kind: 'no_photo', text: '', error: false } };
const watchers = [];
const REST = 150; // ms
let addresses = []; // of the images of the open photo
let prompts = 0; // sent so far
let previewed = null; // the address of the last preview under the pointer

// A photo that another app has shared or opened with this one.
const events = {
  uploaded: (message) => sendPrompt({ ...message, kind: 'open', name: message.file.name, ops: [] }),
  example({ name, ...message }) {
    const { file, ops } = EXAMPLES[name];
    const address = new URL(file, import.meta.url).href;
    sendPrompt({ ...message, kind: 'open', address, name: file.replace(/.*[/]/, ''), ops });
  },
  prompt: (message) => sendPrompt({ ...message, kind: 'prompt' }),
  save: () => download(),
};

function sendPrompt(message) {
  prompts += 1;
  send({ ...message, touching: find('#touching').checked });
}

/** Only when the pointer rests: the click itself would have to wait for the preview. */
async function preview(message) {
  const before = prompts;
  await new Promise((resolve) => setTimeout(resolve, REST));
  if (prompts !== before) return null;
  const { value } = await call({ kind: 'preview', message });
  URL.revokeObjectURL(previewed); // the canvas has loaded it
  previewed = value && URL.createObjectURL(value);
  return previewed;
}

/** Pictures of what else the prompts of an object may mean. */
const offers = async (message) => withAddresses((await call({ kind: 'offers', message })).value || []);

mountCanvas(
  find('#canvas'),
  props,
  { preview, offers },
  (event, data) => events[event](data),
  (_, handler) => watchers.push(handler),
);

function deliver(reply) {
  props.value = reply;
  for (const handler of watchers) handler();
}

function receive(reply) {
  if (reply.kind === 'photo') {
    addresses.forEach(URL.revokeObjectURL);
    addresses = [];
    showResult(null);
  }
  const message = withAddresses(reply);
  if (reply.kind === 'photo') find('#original').src = message.photo.source;
  deliver(message);
}

/** A reply with addresses in place of its images. */
function withAddresses(value) {
  if (value instanceof Blob) {
    addresses.push(URL.createObjectURL(value));
    return addresses[addresses.length - 1];
  }
  if (Array.isArray(value)) return value.map(withAddresses);
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withAddresses(inner)]));
}

// The result ----------------------------------------------------------------------------------------------------------

const buttons = [find('#download'), find('#copy')];
let results = {}; // addresses of the previews

function showResult(previews) {
  Object.values(results).forEach(URL.revokeObjectURL);
  const entries = Object.entries(previews || {});
  results = Object.fromEntries(entries.map(([view, image]) => [view, URL.createObjectURL(image)]));
  for (const button of buttons) button.disabled = !previews;
  showView();
}

function showView() {
  const view = find('[name=view]:checked').value;
  const image = find('#shown');
  const source = results[view === 'alpha' ? 'alpha' : 'cutout'];
  image.hidden = !source;
  if (source) image.src = source;
  image.alt = text(view);
  for (const part of findAll('#original, #split')) part.hidden = view !== 'compare' || !source;
  split();
}

/** Puts the photo over the left part of the result. */
function split() {
  const [image, original] = [find('#shown'), find('#original')];
  const { offsetLeft: left, offsetTop: top, offsetWidth: width, offsetHeight: height } = image;
  const rest = 100 - find('#split').value;
  Object.entries({ left, top, width, height }).forEach(([name, value]) => (original.style[name] = `${value}px`));
  original.style.clipPath = `inset(0 ${rest}% 0 0)`;
}

function moveSplit({ buttons: pressed, clientX }) {
  if (!pressed || find('#split').hidden) return;
  const { left, width } = find('#shown').getBoundingClientRect();
  find('#split').value = (100 * (clientX - left)) / width;
  split();
}

/** The file in a form: its content and its name. */
async function finished(form) {
  const { value, name, error } = await call({ kind: 'save', form });
  if (!value) throw new Error(error || text('nothing_cut_out'));
  return [value, name];
}

const download = () => whileBusy(async () => offer(...(await finished(find('#form').value))));

const copy = () =>
  whileBusy(async () => {
    const form = find('[name=view]:checked').value === 'alpha' ? 'format_alpha' : 'format_png';
    const content = finished(form).then(([content]) => content); // a promise: the click must be fresh when the browser is asked
    const isCopied = await Promise.resolve()
      .then(() => navigator.clipboard.write([new ClipboardItem({ 'image/png': content })]))
      .then(() => true)
      .catch(() => false);
    showProblem(text(isCopied ? 'copied' : 'copy_refused'));
  });

async function whileBusy(work) {
  showProblem('');
  for (const button of buttons) button.disabled = true;
  await work().catch((error) => showProblem(error.message));
  for (const button of buttons) button.disabled = !results.cutout;
}

function showProblem(words) {
  find('#problem').textContent = words;
}

// By words, and many photos --------------------------------------------------------------------------------------------

find('#known').replaceChildren(...WORDS.names.map((name) => new Option(name)));
find('#words').placeholder = text('describe_words', { count: WORDS.names.length });
find('#describe').onsubmit = (event) => {
  event.preventDefault();
  showProblem('');
  send({ kind: 'find', text: find('#words').value });
};
watchBatch(call);

// Connections ---------------------------------------------------------------------------------------------------------

watchStyle((message) => worker.postMessage({ ...message, kind: 'style' }));
new ResizeObserver(([{ contentRect }]) => {
  const side = Math.max(contentRect.width, contentRect.height);
  if (contentRect.width) worker.postMessage({ kind: 'frame', side: Math.ceil(side * devicePixelRatio) });
  split();
}).observe(find('#frame'));
if (!document.createElement('canvas').toDataURL('image/webp').startsWith('data:image/webp')) {
  find('[value=format_webp]').remove(); // this browser cannot write it
}
find('#download').onclick = download;
find('#copy').onclick = copy;
find('#touching').onchange = () => deliver({ kind: 'ask_again' });
find('#canvas [data-action=close]').addEventListener('click', () => {
  showResult(null);
  worker.postMessage({ kind: 'close' });
});
find('#split').oninput = split;
find('#shown').onload = split;
find('#frame').onpointerdown = moveSplit;
find('#frame').onpointermove = moveSplit;
for (const choice of findAll('[name=view]')) choice.onchange = showView;

// Photos from other apps and the owner's look ---------------------------------------------------------------------------

receiveFiles((file) => {
  const carried = new DataTransfer();
  carried.items.add(file);
  find('#canvas input.file').files = carried.files;
  find('#canvas input.file').dispatchEvent(new Event('change'));
});
showLook();

// Offline -------------------------------------------------------------------------------------------------------------

try {
  // only on https and localhost, and not in every private window
  const script = new URL('service_worker.js', import.meta.url);
  navigator.serviceWorker.register(script, { updateViaCache: 'none' }).catch(() => {});
} catch {
  // the site works without
}
window.start.done = true;
