// Messages to the server and back: the document after every change, and previews under the pointer. The rules of order are in
// protocol.py.

const REQUEST_TIMEOUT = 30000; // ms; after that the next change is sent without waiting for the answer
const PREVIEW_PAUSE = 60,
  RETRY_PAUSE = 1000; // ms; after the server was too busy for a preview or for offers
const PREVIEW_RETRIES = 10,
  KEPT_OVERLAYS = 8;

const offers = { key: '', list: [] }; // what the prompts described by `key` may have meant: {name, source}
const request = {
  turn: 0, // of the newest change
  pending: null, // what was sent and is not answered yet: {turn, since}
  outdated: false, // there was a change since
};
const preview = {
  mask: null, // image of what a click would give
  place: null, // the newest position of the pointer that was not requested yet
  retries: 0, // left for that position
  busy: false,
  number: 0, // of the newest request; leaving the photo counts too, so that a late answer is not shown
};

// The document -------------------------------------------------------------------------------------------------------

function sendDocument() {
  request.turn += 1;
  keepDocument();
  state.busy = text('cutting_out');
  preview.mask = preview.place = null;
  if (request.pending && Date.now() - request.pending.since < REQUEST_TIMEOUT) request.outdated = true;
  else requestMattes();
  refresh();
}

function requestMattes() {
  request.pending = { turn: request.turn, since: Date.now() };
  request.outdated = false;
  trigger('prompt', { turn: request.turn, token: state.photo.token, ...state.doc, have: [...state.overlays.keys()] });
}

// Replies ------------------------------------------------------------------------------------------------------------

const handlers = {
  no_photo: showPhoto,
  photo: showPhoto,
  busy: (reply) => {
    state.busy = reply.text;
    state.searched = state.doc.active;
  },
  failure: showFailure,
  ask_again: () => {
    if (state.photo && !state.opening && hasPrompts()) sendDocument();
  },
  mattes: showMattes,
  text_boxes: showTextBoxes,
};

async function receive(reply) {
  if (!reply) return;
  const opens = reply.kind === 'photo' || reply.kind === 'no_photo';
  if (!opens && reply.token && (!state.photo || reply.token !== state.photo.token)) return; // about another photo
  await handlers[reply.kind](reply);
  refresh();
}

async function showPhoto(reply) {
  const own = openings.get(reply.opening) || {},
    hadFocus = element.contains(document.activeElement);
  if (reply.photo && !openings.has(reply.opening)) return; // Gradio repeats the last value of a handler, also after a newer photo
  if (reply.expired && (state.opening || reopen(text('sent_again')))) return;
  const image = reply.photo && reply.photo.source ? await loadImage(reply.photo.source) : own.image;
  state.photo = reply.photo ? { ...reply.photo, token: reply.token, image, source: own.source } : null;
  for (const number of [...openings.keys()]) if (number <= reply.opening) openings.delete(number);
  if (!state.photo || state.opening === own) state.opening = null; // else another one is on its way already
  canvas.dataset.photo = state.photo ? state.photo.token : '';
  state.doc = reply.document || emptyDocument();
  Object.assign(state, { past: [], future: [], mattes: {}, textBoxes: [], busy: '' });
  Object.assign(request, { turn: 0, pending: null, outdated: false });
  brush.sent = [];
  state.overlays.clear();
  tinted.clear();
  fit();
  if (state.photo && (hadFocus || document.activeElement === document.body)) canvas.focus({ preventScroll: true });
  state.note = [reply.note, own.note].filter(Boolean).join(' ');
  announce(hasPrompts() ? '' : reply.text || text('no_photo'), reply.error);
  if (state.photo) keepPhoto();
  if (!hasPrompts()) return;
  request.pending = { turn: 0, since: Date.now() }; // the answer follows
  state.busy = text('cutting_out');
}

async function showMattes(reply) {
  for (const { key, overlay } of Object.values(reply.mattes)) {
    if (overlay) state.overlays.set(key, await loadImage(overlay));
  }
  if (request.pending && reply.turn === request.pending.turn) {
    request.pending = null;
    if (request.outdated) requestMattes();
  }
  if (reply.turn == null || reply.turn >= request.turn) {
    state.busy = reply.refining ? text('refining') : '';
    state.mattes = reply.mattes;
    brush.sent = [];
    if (!reply.refining) {
      announce(reply.text, reply.error);
      requestOffers();
    }
  }
  const used = new Set(Object.values(state.mattes).map((matte) => matte.key));
  for (const key of [...state.overlays.keys()]) {
    if (!used.has(key) && state.overlays.size > KEPT_OVERLAYS) forgetOverlay(key);
  }
}

function showTextBoxes(reply) {
  state.textBoxes = reply.boxes;
  state.busy = '';
  if (state.doc.objects.some((object) => object.id === state.searched)) state.doc.active = state.searched;
  if (reply.boxes.length) useTextBox(reply.boxes[0]);
  state.note = reply.note;
  announce(reply.text, reply.error);
}

function showFailure(reply) {
  state.busy = '';
  state.opening = null; // the photo that is open stays
  request.pending = null;
  if (request.outdated) {
    state.busy = text('cutting_out');
    requestMattes();
  }
  announce(reply.text, true);
}

function forgetOverlay(key) {
  state.overlays.delete(key);
  for (const name of [...tinted.keys()]) if (name.startsWith(key)) tinted.delete(name);
}

function loadImage(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(text('image_not_shown')));
    image.src = source;
  });
}

// Replies are shown one after the other, however long their images take to decode.
let lastReply = Promise.resolve();
function queueReply() {
  const reply = props.value;
  lastReply = lastReply
    .then(() => receive(reply))
    .catch((error) => {
      showFailure({ text: error.message });
      refresh();
    });
}
watch('value', queueReply);

// Offers -------------------------------------------------------------------------------------------------------------

function offersKey() {
  // of the photo and the prompts of the selected object, without an offer that was taken
  const ops = activeObject().ops.filter(({ kind }) => kind !== 'paint');
  if (ops.length && ops.at(-1).kind === 'candidate' && ops.at(-1).name) ops.pop();
  return JSON.stringify({ token: state.photo && state.photo.token, ops });
}

async function requestOffers() {
  // when the answer is there, which they would delay
  const key = offersKey();
  if (key === offers.key || !state.mattes[state.doc.active]) return;
  Object.assign(offers, { key, list: [] });
  const list = await server.offers(JSON.parse(key)).catch(() => []); // not reported: nobody asked for them
  if (key !== offers.key) return;
  if (!list) {
    // the server is busy
    offers.key = '';
    setTimeout(requestOffers, RETRY_PAUSE);
    return;
  }
  offers.list = list;
  listCandidates();
}

// Previews -----------------------------------------------------------------------------------------------------------

async function requestPreview() {
  // one at a time, and only at the newest position
  if (preview.busy || !preview.place || tools.kind !== 'point' || state.busy || !state.photo) return;
  const { place } = preview,
    { x, y } = place,
    number = ++preview.number;
  let pause = PREVIEW_PAUSE;
  preview.busy = true;
  preview.place = null;
  try {
    const mask = await server.preview({ token: state.photo.token, x, y, label: tools.label, ops: activeObject().ops });
    const image = mask ? await loadImage(mask) : null;
    if (number === preview.number) {
      preview.mask = pointer.at && !state.busy ? image : null;
      if (!mask && preview.retries > 0) {
        // the photo is not encoded yet, or the server makes another preview
        preview.retries -= 1;
        preview.place ??= place;
        pause = RETRY_PAUSE;
      }
    }
  } catch (error) {
    preview.mask = null; // not reported: the reply to the click itself describes the error
  }
  preview.busy = false;
  draw();
  setTimeout(requestPreview, pause);
}

function clearPreview() {
  preview.mask = preview.place = null;
  preview.number += 1;
}
