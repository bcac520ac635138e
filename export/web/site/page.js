// The page around the canvas: it connects the canvas to the worker, shows the download's progress and the result, and saves files.

import { mountCanvas } from './canvas.js';
import { EXAMPLES } from './model.js';
import { TEXTS, language, text } from './texts.js';

const find = (selector) => document.querySelector(selector);
const isPhone = navigator.maxTouchPoints > 1 && Math.min(screen.width, screen.height) < 900;
const MOST_PIXELS = isPhone ? 8e6 : 24e6; // of a photo; a larger one is made smaller

document.documentElement.lang = language;
for (const part of document.querySelectorAll('[data-page]')) part.textContent = text(part.dataset.page);

// The worker ------------------------------------------------------------------------------------------------------------

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
const calls = new Map(); // by id: what waits for an answer
let number = 0;

function call(message) {
  number += 1;
  worker.postMessage({ ...message, id: number });
  return new Promise((resolve) => { calls.set(number, resolve); });
}

const receivers = {
  progress: ({ received, total }) => showProgress(received / total),
  ready: () => { find('#loading').hidden = true; document.body.dataset.model = 'ready'; },
  broken: (message) => { find('#loading').hidden = true; showProblem(message.text); },
  reply: ({ reply }) => deliver(withAddresses(reply)),
  result: ({ previews }) => showResult(previews),
  problem: (message) => showProblem(message.text),
  answer: (message) => { calls.get(message.id)(message); calls.delete(message.id); },
};
worker.onmessage = ({ data }) => receivers[data.kind](data);
worker.onerror = () => receivers.broken({ text: text('no_model') });
worker.postMessage({ kind: 'start', mostPixels: MOST_PIXELS });

function showProgress(share) {
  const percent = Math.floor(100 * share);
  find('#loading progress').value = percent;
  find('#loading span').textContent = percent < 100 ? text('loading', { percent }) : text('starting');
}

// The canvas ------------------------------------------------------------------------------------------------------------

const props = { value: { kind: 'no_photo', text: '', error: false } }, watchers = [];
const REST = 150; // ms
let addresses = []; // of the images of the open photo
let prompts = 0; // sent so far

const events = {
  uploaded: ({ file }) => worker.postMessage({ kind: 'open', file, name: file.name, ops: [] }),
  example: ({ name }) => {
    const { file, ops } = EXAMPLES[name];
    deliver({ kind: 'busy', text: text('opening', { name }) });
    worker.postMessage({ kind: 'open', address: new URL(file, import.meta.url).href, name: file.replace(/.*[/]/, ''), ops });
  },
  prompt: (message) => {
    prompts += 1;
    worker.postMessage({ ...message, kind: 'prompt', touching: find('#touching').checked });
  },
  save: () => download(),
};
const server = {
  preview: async (message) => { // only when the pointer rests: the click itself would have to wait for the preview
    const before = prompts;
    await new Promise((resolve) => { setTimeout(resolve, REST); });
    if (prompts !== before) return null;
    const { value } = await call({ kind: 'preview', message });
    return value && URL.createObjectURL(value);
  },
};
mountCanvas(find('#canvas'), props, server, (event, data) => events[event](data), (_, handler) => watchers.push(handler));

function deliver(reply) {
  props.value = reply;
  for (const handler of watchers) handler();
}

function withAddresses(reply) { // the same with addresses of its images
  if (reply.kind === 'photo') {
    addresses.forEach(URL.revokeObjectURL);
    addresses = [];
    showResult(null);
  }
  return replaceImages(reply);
}

function replaceImages(value) {
  if (value instanceof Blob) {
    addresses.push(URL.createObjectURL(value));
    return addresses[addresses.length - 1];
  }
  if (Array.isArray(value)) return value.map(replaceImages);
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaceImages(inner)]));
}

// The result ------------------------------------------------------------------------------------------------------------

const buttons = [find('#download'), find('#copy')];
let results = {}; // addresses of the previews

function showResult(previews) {
  Object.values(results).forEach(URL.revokeObjectURL);
  results = previews ? Object.fromEntries(Object.entries(previews).map(([form, image]) => [form, URL.createObjectURL(image)])) : {};
  for (const button of buttons) button.disabled = !previews;
  showForm();
}

function showForm() {
  const form = find('[name=form]:checked').value, image = find('#shown');
  image.hidden = !results[form];
  if (results[form]) image.src = results[form];
  image.alt = text(form);
  find('#background').disabled = form !== 'cutout';
}

async function finished() { // the file in the chosen form
  const form = find('[name=form]:checked').value, { value, name, error } = await call({ kind: 'save', form });
  if (!value) throw new Error(error || text('nothing_cut_out'));
  return { content: value, name: `${name}_${form}.png` };
}

async function download() {
  await whileBusy(async () => {
    const { content, name } = await finished(), link = document.createElement('a');
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}

async function copy() {
  await whileBusy(async () => {
    const content = finished().then((file) => file.content); // a promise: the click must be fresh when the browser is asked
    try {
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': content })]);
    } catch (error) {
      throw new Error(text('copy_refused'));
    }
    showProblem(text('copied'));
  });
}

async function whileBusy(work) {
  showProblem('');
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } catch (error) {
    showProblem(error.message);
  }
  for (const button of buttons) button.disabled = !results.cutout;
}

function showProblem(words) {
  find('#problem').textContent = words;
}

function chooseBackground(event) {
  const kind = find('#background').value, colour = find('#colour'), file = find('#own').files[0];
  colour.hidden = kind !== 'colour';
  if (kind === 'own' && (!file || event.target.id === 'background')) return find('#own').click();
  return worker.postMessage({ kind: 'background', background: { none: null, white: '#ffffff', colour: colour.value, own: file || null }[kind] });
}

for (const control of ['#background', '#colour', '#own']) find(control).onchange = chooseBackground;
for (const part of document.querySelectorAll('[data-page-name]')) part.setAttribute('aria-label', text(part.dataset.pageName));
find('#download').onclick = download;
find('#copy').onclick = copy;
find('#touching').onchange = () => deliver({ kind: 'ask_again' });
for (const choice of document.querySelectorAll('[name=form]')) choice.onchange = showForm;

// Offline ---------------------------------------------------------------------------------------------------------------

if (navigator.serviceWorker) navigator.serviceWorker.register(new URL('service_worker.js', import.meta.url)).catch(() => {}); // only on https and localhost
