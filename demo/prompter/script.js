// The canvas. It owns what the visitor draws (`doc`), shows what the server answers, and sends the whole document after
// every change; the server validates it and answers all objects in it. Coordinates are pixels of the original photo.

const find = (selector) => element.querySelector(selector);
const canvas = find('canvas.picture'), loupe = find('canvas.loupe'), stage = find('.stage');
const COLOURS = ['#2563eb', '#db2777', '#16a34a', '#d97706', '#7c3aed', '#0891b2', '#dc2626', '#65a30d'];
const colourOf = (item) => COLOURS[(item.id - 1) % COLOURS.length];
const CLICK = 6; // pixels on the screen that a pointer may move within a click

let picture = null; // {token, width, height, image}
let doc = blank(); // {items: [{id, name, visible, ops}], active}
let past = [], future = [];
let answers = {}; // per object: {key, chosen, choices}
let offers = []; // boxes that words were found at: {xy, label}
const overlays = new Map(); // key -> picture whose alpha channel is the matte
let turn = 0, waiting = '';
let flying = null, dirty = false; // the question that is on its way, {turn, since}, and whether it is out of date already
let tool = 'point', sign = 1, magnify = false, fade = 0.55;
let view = { scale: 1, x: 0, y: 0 };
const pointers = new Map(); // fingers and pens that are down
let stroke = null; // what is being drawn: {kind, label, xy}
let at = null; // where the pointer or the keyboard's cross is, in the photo
let cross = false; // the keyboard moved it
let hovering = { mask: null, busy: false, wanted: null, seen: 0 };

function blank() {
  return { items: [{ id: 1, name: 'Object 1', visible: true, ops: [] }], active: 1 };
}
const active = () => doc.items.find((item) => item.id === doc.active);

// What the visitor did, so that it can be undone ------------------------------------------------------------------

function change(edit) {
  if (!picture) return;
  past.push(JSON.stringify(doc));
  if (past.length > 200) past.shift();
  future = [];
  edit();
  send();
}

function travel(from, to) {
  if (!from.length) return;
  to.push(JSON.stringify(doc));
  doc = JSON.parse(from.pop());
  send();
}

function add(op) {
  change(() => active().ops.push(op));
}

function addObject() {
  change(() => {
    const id = Math.max(...doc.items.map((item) => item.id)) + 1;
    doc.items.push({ id, name: 'Object ' + id, visible: true, ops: [] });
    doc.active = id;
  });
  canvas.focus();
}

function removeObject(id) {
  change(() => {
    doc.items = doc.items.filter((item) => item.id !== id);
    if (!doc.items.length) doc = blank();
    if (!active()) doc.active = doc.items[doc.items.length - 1].id;
  });
}

// To the server and back --------------------------------------------------------------------------------------------

// One question at a time: Gradio's own "always_last" forgets what an event carried, and several at once could overtake
// one another.
function send() {
  turn += 1;
  waiting = 'Cutting out …';
  hovering.mask = null;
  if (flying && Date.now() - flying.since < 30000) dirty = true;
  else ask();
  refresh();
}

function ask() {
  flying = { turn, since: Date.now() };
  dirty = false;
  trigger('prompt', { turn, token: picture.token, items: doc.items, active: doc.active, have: [...overlays.keys()] });
}

function load(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error('a picture from the server cannot be shown'));
    image.src = source;
  });
}

async function receive(reply) {
  if (!reply) return;
  if (reply.busy) {
    waiting = reply.busy;
    return refresh();
  }
  if (reply.failed) { // something went wrong that nobody foresaw: take it up again with the next click
    waiting = '';
    flying = null;
    say(reply.text, true);
    return refresh();
  }
  if (reply.again) return doc.items.some((item) => item.ops.length) && picture ? send() : undefined;
  if (reply.picture !== undefined) {
    const had = element.contains(document.activeElement);
    const image = reply.picture && (await load(reply.picture.source));
    picture = image ? { ...reply.picture, image } : null;
    canvas.dataset.photo = picture ? picture.token : '';
    doc = reply.document || blank();
    past = []; future = []; answers = {}; offers = []; flying = null; dirty = false; waiting = '';
    overlays.clear();
    tinted.clear();
    fit();
    if (picture && (had || document.activeElement === document.body)) canvas.focus({ preventScroll: true });
  }
  if (picture && reply.token !== picture.token) return;
  if (reply.offers) {
    offers = reply.offers;
    waiting = '';
    if (reply.status) find('.status').textContent = reply.status;
    if (offers.length) take(offers[0]);
    say(reply.text, reply.error);
    return refresh();
  }
  for (const answer of Object.values(reply.answers || {})) {
    if (answer.overlay) overlays.set(answer.key, await load(answer.overlay));
  }
  if (flying && reply.turn === flying.turn) {
    flying = null;
    if (dirty) ask();
  }
  if (reply.turn == null || reply.turn >= turn) {
    waiting = '';
    answers = reply.answers || {};
    say(reply.text, reply.error);
  }
  const kept = new Set(Object.values(answers).map((answer) => answer.key));
  for (const key of [...overlays.keys()]) if (!kept.has(key) && overlays.size > 8) forget(key);
  if (reply.status) find('.status').textContent = reply.status;
  if (reply.document) send();
  refresh();
}

function forget(key) {
  overlays.delete(key);
  for (const name of [...tinted.keys()]) if (name.startsWith(key)) tinted.delete(name);
}

function say(text, error) {
  const line = find('.said');
  line.textContent = text || '';
  line.classList.toggle('error', Boolean(error));
  line.setAttribute('aria-live', error ? 'assertive' : 'polite');
}

// What a click would give, before it is made: one question at a time, and only about the newest place.
async function hover() {
  if (hovering.busy || !hovering.wanted || waiting || !picture) return;
  const { x, y } = hovering.wanted, seen = ++hovering.seen;
  hovering.busy = true;
  hovering.wanted = null;
  try {
    const mask = await server.hover({ token: picture.token, x, y, label: sign, ops: active().ops });
    if (mask && seen === hovering.seen && at && !waiting) hovering.mask = await load(mask);
  } catch (error) {
    hovering.mask = null; // a preview that fails is not worth a word: the click itself will say why
  }
  hovering.busy = false;
  draw();
  setTimeout(hover, 60);
}

// Where things are on the screen ------------------------------------------------------------------------------------

const ratio = () => window.devicePixelRatio || 1;
const toPhoto = (event) => {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left - view.x) / view.scale, y: (event.clientY - box.top - view.y) / view.scale };
};
const inside = ({ x, y }) => ({
  x: Math.min(Math.max(x, 0), picture.width), y: Math.min(Math.max(y, 0), picture.height),
});
const holds = ({ x, y }) => x >= 0 && y >= 0 && x <= picture.width && y <= picture.height;

function fit() {
  if (!picture) return;
  const { clientWidth: w, clientHeight: h } = canvas;
  view.scale = Math.min(w / picture.width, h / picture.height);
  view.x = (w - picture.width * view.scale) / 2;
  view.y = (h - picture.height * view.scale) / 2;
  draw();
}

function zoom(factor, cx, cy) { // around a place on the screen; without one, around the keyboard's cross, or the middle
  if (!picture) return;
  if (cx === undefined) [cx, cy] = cross && at ? [view.x + at.x * view.scale, view.y + at.y * view.scale] : [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const least = 0.5 * Math.min(canvas.clientWidth / picture.width, canvas.clientHeight / picture.height);
  const scale = Math.min(Math.max(view.scale * factor, least), 16);
  view.x = cx - (cx - view.x) * (scale / view.scale);
  view.y = cy - (cy - view.y) * (scale / view.scale);
  view.scale = scale;
  draw();
}

// Drawing -----------------------------------------------------------------------------------------------------------

const tinted = new Map(); // "key colour" -> canvas
function tint(image, key, colour) {
  const name = key + colour;
  if (!tinted.has(name)) {
    if (tinted.size > 12) tinted.clear();
    const layer = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), pen = layer.getContext('2d');
    pen.drawImage(image, 0, 0);
    pen.globalCompositeOperation = 'source-in';
    pen.fillStyle = colour;
    pen.fillRect(0, 0, layer.width, layer.height);
    tinted.set(name, layer);
  }
  return tinted.get(name);
}

function paint(pen) { // the photo and the mattes, in the photo's coordinates
  const { width, height, image } = picture;
  pen.imageSmoothingEnabled = view.scale * ratio() < 3;
  pen.drawImage(image, 0, 0, width, height);
  pen.globalAlpha = fade;
  for (const item of doc.items) {
    const answer = answers[item.id], overlay = answer && overlays.get(answer.key);
    if (item.visible && overlay) pen.drawImage(tint(overlay, answer.key, colourOf(item)), 0, 0, width, height);
  }
  pen.globalAlpha = 1;
}

function draw() {
  const dpr = ratio(), w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * dpr) || canvas.height !== Math.round(h * dpr)) {
    canvas.width = Math.round(w * dpr);
    canvas.height = Math.round(h * dpr);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!picture) return;
  pen.setTransform(dpr * view.scale, 0, 0, dpr * view.scale, dpr * view.x, dpr * view.y);
  paint(pen);
  if (hovering.mask && at && !stroke) {
    pen.globalAlpha = 0.45;
    pen.drawImage(tint(hovering.mask, hovering.mask.src, sign ? '#ffffff' : '#ff5544'), 0, 0, picture.width, picture.height);
    pen.globalAlpha = 1;
  }
  const unit = 1 / view.scale;
  for (const offer of offers) outline(pen, offer, unit);
  for (const op of [...active().ops, ...(stroke ? [stroke] : [])]) mark(pen, op, unit);
  if (at && cross) {
    pen.lineWidth = 2 * unit;
    for (const [colour, grow] of [['#000', 2], ['#fff', 0]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = (2 + grow) * unit;
      pen.beginPath();
      pen.moveTo(at.x - 12 * unit, at.y); pen.lineTo(at.x + 12 * unit, at.y);
      pen.moveTo(at.x, at.y - 12 * unit); pen.lineTo(at.x, at.y + 12 * unit);
      pen.stroke();
    }
  }
  drawLoupe();
}

function outline(pen, { xy: [x0, y0, x1, y1], label }, unit) { // a place that words were found at
  pen.setLineDash([6 * unit, 5 * unit]);
  for (const [style, width] of [['#000', 3], ['#fde047', 1.5]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width * unit;
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  pen.setLineDash([]);
  pen.font = 13 * unit + 'px system-ui, sans-serif';
  pen.fillStyle = '#000c';
  pen.fillRect(x0, y0, pen.measureText(label).width + 8 * unit, 18 * unit);
  pen.fillStyle = '#fde047';
  pen.fillText(label, x0 + 4 * unit, y0 + 13 * unit);
}

function mark(pen, op, unit) {
  pen.lineJoin = pen.lineCap = 'round';
  const colour = op.label === 0 ? '#dc2626' : '#16a34a';
  if (op.kind === 'box') {
    const [x0, y0, x1, y1] = op.xy;
    for (const [style, width] of [['#fff', 4], ['#1d4ed8', 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width * unit;
      pen.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  } else if (op.kind === 'point') {
    const [x, y] = op.xy, r = 7 * unit;
    pen.beginPath(); pen.arc(x, y, r, 0, 7);
    pen.fillStyle = colour; pen.fill();
    pen.strokeStyle = '#fff'; pen.lineWidth = 2 * unit; pen.stroke();
    pen.beginPath(); pen.moveTo(x - r / 2, y); pen.lineTo(x + r / 2, y);
    if (op.label !== 0) { pen.moveTo(x, y - r / 2); pen.lineTo(x, y + r / 2); }
    pen.stroke();
  } else if (op.kind === 'scribble') {
    for (const [style, width] of [['#fff', 7], [colour, 4]]) {
      pen.strokeStyle = style; pen.lineWidth = width * unit;
      pen.beginPath();
      op.xy.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.stroke();
    }
  }
}

function drawLoupe() {
  const shown = Boolean(picture && at && (magnify || (stroke && stroke.touch)));
  loupe.hidden = !shown;
  if (!shown) return;
  const pen = loupe.getContext('2d'), factor = Math.max(4 * view.scale, 2), half = 90;
  loupe.classList.toggle('left', view.x + at.x * view.scale > canvas.clientWidth / 2);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, 180, 180);
  pen.setTransform(factor, 0, 0, factor, half - at.x * factor, half - at.y * factor);
  paint(pen);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.strokeStyle = '#fff';
  pen.strokeRect(half - 0.5, half - 8, 1, 16); pen.strokeRect(half - 8, half - 0.5, 16, 1);
}

function refresh() { // everything but the canvas itself
  find('.empty').hidden = Boolean(picture);
  const busy = find('.busy');
  busy.hidden = !waiting;
  busy.textContent = waiting;
  stage.setAttribute('aria-busy', String(Boolean(waiting)));
  for (const button of element.querySelectorAll('[data-tool]')) button.setAttribute('aria-pressed', String(button.dataset.tool === tool));
  const plus = find('[data-do="sign"]');
  plus.textContent = sign ? '+ Add' : '- Take away';
  plus.classList.toggle('minus', !sign);
  find('[data-do="loupe"]').setAttribute('aria-pressed', String(magnify));
  find('[data-do="undo"]').disabled = !past.length;
  find('[data-do="redo"]').disabled = !future.length;
  find('[data-do="reset"]').disabled = !(offers.length || doc.items.some((item) => item.ops.length));
  listOffers();
  listChoices();
  listObjects();
  draw();
}

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Fill a row anew and give the focus back to the part that had it, told by its key.
function fill(row, parts) {
  const held = row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  row.replaceChildren(...parts);
  if (!held) return;
  const same = [...row.querySelectorAll('[data-key]')].find((part) => part.dataset.key === held);
  (same || canvas).focus({ preventScroll: true });
}

function button(key, text, label, deed, pressed) {
  const made = make('button', { type: 'button', title: label, onclick: deed }, text);
  made.dataset.key = key;
  made.setAttribute('aria-label', label);
  if (pressed !== undefined) made.setAttribute('aria-pressed', String(pressed));
  return made;
}

function take({ xy }) { // another place is another thing: what was pointed at before does not count there
  change(() => { active().ops = [{ kind: 'box', xy }]; });
}

function listOffers() {
  const boxes = active().ops.filter((op) => op.kind === 'box'), last = boxes.length ? String(boxes[boxes.length - 1].xy) : '';
  fill(find('.offers'), offers.map((offer, i) =>
    button('offer' + i, offer.label, 'Take the ' + (i + 1) + '. place, ' + offer.label, () => take(offer), String(offer.xy) === last)));
}

function listChoices() {
  const answer = answers[doc.active];
  fill(find('.choices'), ((answer && answer.choices) || []).map((choice) => {
    const made = button('choice' + choice.index, choice.score.toFixed(2),
      'Answer ' + choice.index + ' of 3, predicted quality ' + choice.score.toFixed(2),
      () => change(() => {
        const ops = active().ops;
        if (ops.length && ops[ops.length - 1].kind === 'candidate') ops.pop();
        ops.push({ kind: 'candidate', index: choice.index });
      }), choice.index === answer.chosen);
    made.prepend(make('img', { src: choice.source, alt: '' }));
    return made;
  }));
}

function listObjects() {
  const row = find('.objects');
  if (row.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return; // a name is being typed
  if (!picture) return fill(row, []);
  fill(row, [...doc.items.map(describe), button('add', '+ Add object', '+ Add object', addObject)]);
}

function describe(item) { // one object: its colour, its name, and what can be done with it
  const name = make('input', { value: item.name, maxLength: 60 });
  name.setAttribute('aria-label', 'Name of object ' + item.id);
  name.onchange = () => change(() => { item.name = name.value.trim() || 'Object ' + item.id; });
  name.onkeydown = (event) => { if (event.key === 'Enter') { name.blur(); canvas.focus(); } };
  const colour = make('span', { className: 'colour' });
  colour.style.background = colourOf(item);
  const chosen = item.id === doc.active;
  const select = () => { doc.active = item.id; hovering.mask = null; send(); };
  return make('span', { className: 'object' + (chosen ? ' active' : '') }, colour, name,
    button(item.id + ':select', 'Select', 'Select ' + item.name, select, chosen),
    button(item.id + ':hide', item.visible ? 'Hide' : 'Show', (item.visible ? 'Hide ' : 'Show ') + item.name,
      () => change(() => { item.visible = !item.visible; })),
    button(item.id + ':remove', 'Remove', 'Remove ' + item.name, () => removeObject(item.id)));
}

// Pointers ----------------------------------------------------------------------------------------------------------

let panning = null, spaced = false, pinch = null;

canvas.addEventListener('pointerdown', (event) => {
  canvas.focus({ preventScroll: true });
  if (!picture) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  cross = false;
  if (pointers.size >= 2) { // two fingers move and zoom
    stroke = null;
    pinch = pointers.size === 2 ? spread() : pinch;
    return draw();
  }
  if (event.button === 1 || spaced) {
    panning = { x: event.clientX - view.x, y: event.clientY - view.y };
    canvas.classList.add('panning');
    return event.preventDefault();
  }
  const start = toPhoto(event);
  at = start;
  if (!holds(start) && tool !== 'box') return;
  const { x, y } = inside(start);
  const label = event.shiftKey || event.button === 2 ? 1 - sign : sign;
  const touch = event.pointerType === 'touch';
  stroke = tool === 'scribble' ? { kind: 'scribble', label, touch, xy: [[x, y]] }
    : { kind: 'pending', label, touch, inside: holds(start), from: [x, y], screen: [event.clientX, event.clientY], xy: [x, y, x, y] };
  draw();
});

canvas.addEventListener('pointermove', (event) => {
  if (!picture) return;
  if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event);
  if (pinch && pointers.size === 2) {
    const now = spread();
    view.x += now.x - pinch.x;
    view.y += now.y - pinch.y;
    zoom(now.distance / pinch.distance, now.x, now.y);
    pinch = now;
    return;
  }
  if (panning) {
    view.x = event.clientX - panning.x;
    view.y = event.clientY - panning.y;
    return draw();
  }
  at = toPhoto(event);
  cross = false;
  if (stroke && !pointers.has(event.pointerId)) return draw(); // begun by keyboard: the mouse only looks
  if (stroke) {
    const { x, y } = inside(at);
    if (stroke.kind === 'scribble') {
      const [px, py] = stroke.xy[stroke.xy.length - 1];
      if (Math.hypot(x - px, y - py) * view.scale > 3 && stroke.xy.length < 500) stroke.xy.push([x, y]);
    } else {
      const far = Math.hypot(event.clientX - stroke.screen[0], event.clientY - stroke.screen[1]) > CLICK;
      if (far) stroke.kind = 'box';
      stroke.xy = [...stroke.from, x, y];
    }
  } else if (event.pointerType === 'mouse' && tool === 'point' && holds(at)) {
    hovering.wanted = at;
    hover();
  } else {
    hovering.mask = null;
  }
  draw();
});

canvas.addEventListener('pointerup', (event) => {
  pointers.delete(event.pointerId);
  if (pinch) { if (!pointers.size) pinch = null; return; }
  if (panning) { panning = null; canvas.classList.remove('panning'); return; }
  if (!stroke) return;
  const { kind, label, xy, from, inside: within } = stroke;
  stroke = null;
  if (kind === 'scribble') add({ kind, label, xy });
  else if (kind === 'box') addBox(xy);
  else if (within) add({ kind: 'point', label, xy: from });
  else draw();
});

function addBox([x0, y0, x1, y1]) {
  const xy = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  if (xy[2] - xy[0] < 1 || xy[3] - xy[1] < 1) return draw();
  add({ kind: 'box', xy });
}

canvas.addEventListener('pointercancel', (event) => { pointers.delete(event.pointerId); stroke = panning = pinch = null; draw(); });
canvas.addEventListener('pointerleave', () => { if (!stroke && !cross) { at = null; hovering.mask = null; hovering.seen += 1; draw(); } });
canvas.addEventListener('contextmenu', (event) => event.preventDefault());
canvas.addEventListener('wheel', (event) => {
  if (!picture) return;
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

function spread() {
  const [a, b] = [...pointers.values()], box = canvas.getBoundingClientRect();
  return {
    x: (a.clientX + b.clientX) / 2 - box.left, y: (a.clientY + b.clientY) / 2 - box.top,
    distance: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
  };
}

// Keys and buttons --------------------------------------------------------------------------------------------------

const deeds = {
  open: () => chooser() && chooser().click(),
  sign: () => { sign = 1 - sign; refresh(); },
  undo: () => travel(past, future),
  redo: () => travel(future, past),
  reset: () => { offers = []; change(() => { doc = blank(); }); },
  in: () => zoom(1.4),
  out: () => zoom(1 / 1.4),
  fit,
  loupe: () => { magnify = !magnify; refresh(); },
};
const KEYS = { x: 'sign', z: 'undo', y: 'redo', '+': 'in', '=': 'in', '-': 'out', 0: 'fit', l: 'loupe' };
const TOOLS = { b: 'box', p: 'point', s: 'scribble' };

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || !element.contains(button)) return;
  if (button.dataset.tool) { tool = button.dataset.tool; stroke = null; refresh(); }
  else if (button.dataset.do) deeds[button.dataset.do]();
});

// Keys count while the focus is in here or the pointer is over the photo, and never while somebody types.
function onKeyDown(event) {
  if (!element.isConnected) return document.removeEventListener('keydown', onKeyDown);
  const here = element.contains(event.target) || stage.matches(':hover');
  if (!here || !canvas.checkVisibility() || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const command = event.ctrlKey || event.metaKey;
  if (command && key !== 'z' && key !== 'y') return;
  if (command && key === 'z' && event.shiftKey) deeds.redo();
  else if (key === 'Escape') { stroke = null; hovering.mask = null; draw(); }
  else if (KEYS[key]) deeds[KEYS[key]]();
  else if (TOOLS[key]) { tool = TOOLS[key]; stroke = null; refresh(); }
  else if (event.target === canvas && picture && key === ' ') spaced = true;
  else if (event.target === canvas && picture && key.startsWith('Arrow')) steer(key, event.shiftKey);
  else if (event.target === canvas && picture && key === 'Enter') press(event.shiftKey ? 1 - sign : sign);
  else return;
  event.preventDefault();
}
document.addEventListener('keydown', onKeyDown);
element.addEventListener('keyup', (event) => { if (event.key === ' ') spaced = false; });

function steer(key, fine) { // the keyboard's cross
  const step = Math.max(picture.width, picture.height) * (fine ? 0.002 : 0.02);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  at = at || { x: picture.width / 2, y: picture.height / 2 };
  if (cross) at = inside({ x: at.x + dx * step, y: at.y + dy * step });
  cross = true;
  if (stroke && stroke.kind === 'box') stroke.xy = [...stroke.from, at.x, at.y];
  if (stroke && stroke.kind === 'scribble' && stroke.xy.length < 500) stroke.xy.push([at.x, at.y]);
  const [sx, sy, room] = [view.x + at.x * view.scale, view.y + at.y * view.scale, 20]; // the cross stays in sight
  view.x += Math.max(0, room - sx) - Math.max(0, sx - canvas.clientWidth + room);
  view.y += Math.max(0, room - sy) - Math.max(0, sy - canvas.clientHeight + room);
  say(Math.round((100 * at.x) / picture.width) + '% from the left, ' + Math.round((100 * at.y) / picture.height) + '% from the top');
  draw();
}

function press(label) {
  if (!at || !cross) return steer('ArrowRight', true);
  if (tool === 'point') return add({ kind: 'point', label, xy: [at.x, at.y] });
  if (!stroke) {
    const from = [at.x, at.y];
    stroke = tool === 'box' ? { kind: 'box', from, xy: [...from, ...from] } : { kind: 'scribble', label, xy: [from] };
    return say(tool === 'box' ? 'First corner. Go to the opposite one and press Enter.' : 'Stroke begun. Move, then press Enter.');
  }
  const done = stroke;
  stroke = null;
  if (done.kind === 'box') addBox(done.xy);
  else add({ kind: 'scribble', label: done.label, xy: done.xy });
}

find('.fade input').addEventListener('input', (event) => { fade = event.target.value / 100; draw(); });

// Photos come in through Gradio's own upload button, which checks them ------------------------------------------------

function chooser() {
  return document.querySelector('input[data-testid="Open photo-upload-button"]');
}

const LARGEST = 50e6; // bytes; the server refuses more

function give(files) {
  const photo = [...files].find((file) => file.type.startsWith('image/')), input = chooser();
  if (!photo) return say('That is no picture; drop a JPEG, PNG or WebP file.', true);
  if (photo.size > LARGEST) return say(photo.name + ' has ' + Math.round(photo.size / 1e6) + ' MB; at most 50 are accepted.', true);
  if (!input) return say('The page is not ready yet; try again.', true);
  const carried = new DataTransfer();
  carried.items.add(photo);
  input.files = carried.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
  waiting = 'Opening ' + photo.name + ' …';
  const promise = waiting;
  setTimeout(() => { // Gradio may refuse a file without a word to us
    if (waiting !== promise) return;
    waiting = '';
    say(photo.name + ' did not arrive; choose it once more, or another file.', true);
    refresh();
  }, 60000);
  refresh();
}

function onPaste(event) {
  if (!element.isConnected) return document.removeEventListener('paste', onPaste);
  if (canvas.checkVisibility() && event.clipboardData.files.length) give(event.clipboardData.files);
}

stage.addEventListener('dragover', (event) => { event.preventDefault(); stage.classList.add('over'); });
stage.addEventListener('dragleave', () => stage.classList.remove('over'));
stage.addEventListener('drop', (event) => { event.preventDefault(); stage.classList.remove('over'); give(event.dataTransfer.files); });
document.addEventListener('paste', onPaste);

new ResizeObserver(() => (picture ? fit() : draw())).observe(stage);
// Replies are shown one after the other, however long their pictures take to decode.
let shown = Promise.resolve();
function show() {
  const reply = props.value;
  shown = shown.then(() => receive(reply)).catch((error) => { waiting = ''; flying = null; say(error.message, true); refresh(); });
}
watch('value', show);
refresh();
show();
