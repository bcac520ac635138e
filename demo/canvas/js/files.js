// New photos: chosen, dropped, pasted, or an example; and the start of the canvas.

const openings = new Map(); // photos that are on their way, by number: as `state.opening`
let opened = 0;

function upload(files) {
  // checks a file
  const file = files[0],
    limit = LIMITS.upload_megabytes;
  if (!file) return;
  if (file.type && !file.type.startsWith('image/')) return announce(text('not_an_image', { name: file.name }), true);
  if (file.size > limit * 1e6) {
    return announce(text('file_too_large', { name: file.name, size: Math.ceil(file.size / 1e6), limit }), true);
  }
  open({ file });
}

// Brings a file, or an example by its name, to what answers here. The last photo and its result go at once; they come back if
// this one fails. A document is one that the visitor had before. `openFile` is a function of the page's own script.
function open(source, kept, note) {
  opened += 1;
  const opening = { number: opened, source, document: kept, note };
  openings.set(opened, opening);
  state.opening = opening;
  state.note = '';
  announce('');
  if (source.file) {
    openFile(source.file, opening);
  } else {
    state.busy = text('opening', { name: source.example });
    trigger('example', { name: source.example, opening: opened, document: kept });
  }
  refresh();
}

function close() {
  // nothing of the photo stays in this browser
  forgetKept();
  openings.clear();
  receive({ kind: 'no_photo', text: '', error: false });
}

// The canvas takes files anywhere on its page; a part of the page that takes files itself has stopped the event.
function onPage(type, handle) {
  const listener = (event) => {
    if (!element.isConnected) document.removeEventListener(type, listener);
    else handle(event, canvas.checkVisibility());
  };
  document.addEventListener(type, listener);
}

function take(carried) {
  // dropped or pasted
  if (carried.files.length) return upload(carried.files);
  const address = carried.getData('text/uri-list') || carried.getData('text/plain');
  if (/^\s*(https?|data|file|blob):/i.test(address)) announce(text('address_refused'), true);
}

function showTarget(on) {
  stage.classList.toggle('over', on);
}

onPage('paste', (event, isShown) => {
  if (isShown && !isTyped(event.target)) take(event.clipboardData);
});
const isOurs = (event) =>
  !event.defaultPrevented && (event.dataTransfer.types.includes('Files') || !isTyped(event.target));

onPage('dragover', (event, isShown) => {
  if (!isOurs(event)) return;
  event.preventDefault(); // else the browser would leave the page for the file
  showTarget(isShown);
});
onPage('dragleave', (event) => {
  if (!event.relatedTarget) showTarget(false);
});
onPage('drop', (event, isShown) => {
  showTarget(false);
  if (!isOurs(event)) return;
  event.preventDefault();
  if (isShown) take(event.dataTransfer);
});

stage.addEventListener('photo', (event) => upload([event.detail])); // from another part of the page
find('.file').addEventListener('change', (event) => {
  upload(event.target.files);
  event.target.value = '';
});

new ResizeObserver(fit).observe(stage);
translate();
refresh();
queueReply();
bringBack();
