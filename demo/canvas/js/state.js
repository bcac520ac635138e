// The canvas's state, and every function that changes the document. The scripts of this folder are joined into one function, so
// they share these names; protocol.py describes the messages and rules. Coordinates are pixels of the original photo.

const find = (selector) => element.querySelector(selector);
const canvas = find('canvas.photo'),
  loupe = find('canvas.loupe'),
  stage = find('.stage');
const MAX_UNDO = 200;

// The page's own language; Gradio sets it.
const words = TEXTS[(document.documentElement.lang || navigator.language).split('-')[0]] || TEXTS.en;
const isTouched = matchMedia('(pointer: coarse)').matches;
const text = (key, values) =>
  ((isTouched && words[key + '_touch']) || words[key]).replace(/[{]([a-z]+)[}]/g, (_, name) => values[name]);

const state = {
  photo: null, // {token, width, height, image, source}; its source is {file} or {example}
  opening: null, // the photo that is on its way and hides the last one: {number, source, document, note, width, height, image}
  doc: emptyDocument(), // {objects: [{id, name, visible, ops}], active}
  past: [], // documents as JSON, to undo
  future: [], // and to redo
  mattes: {}, // by object id: {key}
  overlays: new Map(), // by key: an image with the matte as its alpha channel
  textBoxes: [], // where a text was found: {xy, label}
  searched: 1, // id of the object that a text is searched for
  busy: '', // what the visitor waits for
  note: '', // what was left out of the photo's file, shown until the first change
};

const tools = {
  kind: 'point', // or 'box', 'scribble', 'paint', 'move'
  label: 1, // of new points and strokes: 1 adds to the object, 0 removes from it; of the brush: 1 restores, 0 erases, 2 is unknown
};

function emptyDocument() {
  return { objects: [{ id: 1, name: text('object', { number: 1 }), visible: true, ops: [] }], active: 1 };
}

function activeObject() {
  return state.doc.objects.find((object) => object.id === state.doc.active);
}

function hasPrompts() {
  return state.doc.objects.some((object) => object.ops.length);
}

function shownPhoto() {
  // of the one that is on its way only what the browser can decode itself
  if (!state.opening) return state.photo;
  return state.opening.image ? state.opening : null;
}

// Changes ------------------------------------------------------------------------------------------------------------

function change(edit) {
  // every change can be undone, and is sent to the server
  if (!state.photo || state.opening) return;
  state.past.push(JSON.stringify(state.doc));
  if (state.past.length > MAX_UNDO) state.past.shift();
  state.future = [];
  state.note = '';
  edit();
  sendDocument();
}

function restore(from, to) {
  if (!from.length || state.opening) return;
  to.push(JSON.stringify(state.doc));
  state.doc = JSON.parse(from.pop());
  brush.sent = [];
  sendDocument();
}

function undo() {
  restore(state.past, state.future);
}

function redo() {
  restore(state.future, state.past);
}

function reset() {
  state.textBoxes = [];
  change(() => {
    state.doc = emptyDocument();
  });
}

function addOp(op) {
  const count = state.doc.objects.reduce((sum, object) => sum + object.ops.length, 0);
  if (activeObject().ops.length >= LIMITS.ops_per_object || count >= LIMITS.ops) {
    announce(text('too_many_prompts'), true);
    return draw();
  }
  change(() => activeObject().ops.push(op));
}

function addBox([x0, y0, x1, y1]) {
  // from any two corners; draws nothing if it is empty
  const xy = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  if (xy[2] - xy[0] < 1 || xy[3] - xy[1] < 1) return draw();
  addOp({ kind: 'box', xy });
}

function useTextBox({ xy }) {
  // another place is another object: earlier prompts do not apply to it
  change(() => {
    activeObject().ops = [{ kind: 'box', xy }];
  });
}

function chooseCandidate(name) {
  // or leave it, if it is chosen
  change(() => {
    const { ops } = activeObject(),
      before = ops.at(-1).kind === 'candidate' ? ops.pop().name : '';
    if (name !== before) ops.push({ kind: 'candidate', name });
  });
}

function chooseReading(reading) {
  // of a first click beside the main object: add to it, or only what was clicked
  change(() => {
    const { ops } = activeObject();
    if (reading === 'add') ops.splice(1, 0, { kind: 'candidate', name: '' });
    else ops.shift();
  });
}

function addObject() {
  if (state.doc.objects.length >= LIMITS.objects)
    return announce(text('too_many_objects', { limit: LIMITS.objects }), true);
  state.textBoxes = [];
  change(() => {
    const id = Math.max(...state.doc.objects.map((object) => object.id)) + 1;
    state.doc.objects.push({ id, name: text('object', { number: id }), visible: true, ops: [] });
    state.doc.active = id;
  });
  canvas.focus();
}

function selectObject(id) {
  // not a change of the document, so there is nothing to undo
  state.doc.active = id;
  state.textBoxes = [];
  preview.mask = null;
  sendDocument();
}

function renameObject(id, name) {
  const object = state.doc.objects.find((one) => one.id === id);
  if (object)
    change(() => {
      object.name = name.trim() || text('object', { number: object.id });
    });
}

function toggleObject(object) {
  change(() => {
    object.visible = !object.visible;
  });
}

function removeObject(id) {
  change(() => {
    state.doc.objects = state.doc.objects.filter((object) => object.id !== id);
    if (!state.doc.objects.length) state.doc = emptyDocument();
    if (!activeObject()) state.doc.active = state.doc.objects[state.doc.objects.length - 1].id;
  });
}
