// Many photos: the main object of each, in the style and the form that are chosen for the result, as one ZIP.

import { find } from './elements.js';
import { downloadZip } from './runtime/client-zip.js';
import { text } from './texts.js';

/** Connects the controls; `call` asks the worker. @type {(call: (message: object) => Promise<any>) => void} */
export function watchBatch(call) {
  let isStopped = false;

  find('#begin').onclick = async () => {
    const files = [...find('#photos').files];
    find('#remarks').replaceChildren();
    if (!files.length) return showDone(text('choose_photos'));
    isStopped = false;
    setRunning(true);
    const names = new Set();
    try {
      // The ZIP takes each result as it is made.
      const content = await downloadZip(results(files, names)).blob();
      if (names.size) offer(content, 'mattes.zip');
    } catch (error) {
      remark(error.message);
    }
    return setRunning(false);
  };
  find('#stop').onclick = () => (isStopped = true);

  async function* results(files, names) {
    let failed = 0;
    for (const [i, file] of files.entries()) {
      if (isStopped) return;
      showDone(text('batch_done', { done: i, total: files.length }));
      const { value, name, error, isDoubtful } = await call({ kind: 'cut', file, form: find('#form').value });
      if (value) yield { name: unused(name, names), input: value };
      else failed += 1;
      if (!value) remark(`${file.name}: ${error || text('batch_nothing_main')}`);
      else if (isDoubtful) remark(`${text('batch_check')} ${file.name}`);
      showDone(text('batch_done', { done: i + 1 - failed, total: files.length }));
    }
  }
}

const showDone = (words) => (find('#done').textContent = words);

function setRunning(isRunning) {
  find('#begin').hidden = find('#photos').disabled = isRunning;
  find('#stop').hidden = !isRunning;
}

function remark(words) {
  const line = document.createElement('li');
  line.textContent = words;
  find('#remarks').append(line);
}

/** A name that no other file of the ZIP has. */
function unused(name, names) {
  const [, stem, ending] = /^(.*?)(_[a-z]+[.][a-z]+)$/.exec(name);
  let free = name;
  for (let number = 2; names.has(free); number += 1) free = `${stem} (${number})${ending}`;
  names.add(free);
  return free;
}

/** Let the visitor download a file. */
export function offer(content, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
