// Drawing: the transform from photo to screen, the photo with its mattes, the visitor's prompts, and the loupe.

const COLOURS = ['#2563eb', '#db2777', '#16a34a', '#d97706', '#7c3aed', '#0891b2', '#dc2626', '#65a30d'];
const FOREGROUND = '#16a34a',
  BACKGROUND = '#dc2626';
const MAX_ZOOM = 16,
  MAX_TINTED = 48,
  DIMMING = 0.6;
const LOUPE = 90; // its radius

const view = { scale: 1, x: 0, y: 0 }; // screen = photo * scale + (x, y)
const tinted = new Map(); // by key and colour: a matte in the colour of its object

// Photo and screen ------------------------------------------------------------------------------------------------------

const pixelRatio = () => window.devicePixelRatio || 1;
const colourOf = (object) => COLOURS[(object.id - 1) % COLOURS.length];

function toPhoto(event) {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left - view.x) / view.scale, y: (event.clientY - box.top - view.y) / view.scale };
}

function toScreen({ x, y }) {
  return { x: view.x + x * view.scale, y: view.y + y * view.scale };
}

function clampToPhoto({ x, y }) {
  return { x: Math.min(Math.max(x, 0), state.photo.width), y: Math.min(Math.max(y, 0), state.photo.height) };
}

function isInPhoto({ x, y }) {
  return x >= 0 && y >= 0 && x <= state.photo.width && y <= state.photo.height;
}

function fit() {
  const photo = shownPhoto();
  if (!photo) return draw();
  const { clientWidth: w, clientHeight: h } = canvas,
    { width, height } = photo;
  view.scale = Math.min(w / width, h / height);
  view.x = (w - width * view.scale) / 2;
  view.y = (h - height * view.scale) / 2;
  draw();
}

function zoom(factor, centre) {
  // around a place on the screen; by default the keyboard's cross, or the middle
  if (!state.photo) return;
  const middle = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 };
  const { x, y } = centre || (pointer.cross && pointer.at ? toScreen(pointer.at) : middle);
  const least = 0.5 * Math.min(canvas.clientWidth / state.photo.width, canvas.clientHeight / state.photo.height);
  const scale = Math.min(Math.max(view.scale * factor, least), MAX_ZOOM);
  view.x = x - (x - view.x) * (scale / view.scale);
  view.y = y - (y - view.y) * (scale / view.scale);
  view.scale = scale;
  draw();
}

// Layers ----------------------------------------------------------------------------------------------------------------

function draw() {
  const ratio = pixelRatio(),
    width = Math.round(canvas.clientWidth * ratio),
    height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  if (!width || !height) return; // on a hidden tab
  const pen = canvas.getContext('2d'),
    previewed = Boolean(state.photo && preview.mask && pointer.at && !pointer.stroke);
  canvas.dataset.preview = previewed;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, width, height);
  if (!shownPhoto()) return;
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  drawPhoto(pen);
  if (state.opening) return;
  if (previewed) drawPreview(pen);
  const unit = 1 / view.scale; // a pixel of the screen
  for (const box of state.textBoxes) drawTextBox(pen, box, unit);
  for (const op of activeObject().ops) drawOp(pen, op, unit);
  if (pointer.stroke) drawOp(pen, pointer.stroke, unit);
  if (isPainting()) drawBrush(pen, unit);
  if (pointer.at && pointer.cross) drawCross(pen, pointer.at, unit);
  drawLoupe();
}

function drawPhoto(pen) {
  // the objects outlined, everything else dimmed
  const { width, height, image } = shownPhoto();
  pen.imageSmoothingEnabled = view.scale * pixelRatio() < 3;
  pen.drawImage(image, 0, 0, width, height);
  if (state.opening) return;
  const shown = state.doc.objects
    .map((object) => {
      const matte = state.mattes[object.id],
        overlay = matte && state.overlays.get(matte.key);
      return object.visible && overlay && { overlay, key: matte.key, colour: colourOf(object) };
    })
    .filter(Boolean);
  if (!shown.length) return;
  dimAround(pen, shown);
  for (const { overlay, key, colour } of shown) pen.drawImage(outline(overlay, key, colour), 0, 0, width, height);
}

function dimAround(pen, shown) {
  const layer = new OffscreenCanvas(pen.canvas.width, pen.canvas.height),
    dark = layer.getContext('2d');
  const { width, height } = state.photo;
  dark.setTransform(pen.getTransform());
  dark.fillRect(0, 0, width, height);
  dark.globalCompositeOperation = 'destination-out';
  for (const { overlay } of shown) dark.drawImage(overlay, 0, 0, width, height);
  drawStrokes(dark);
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.globalAlpha = DIMMING;
  pen.drawImage(layer, 0, 0);
  pen.restore();
}

function outline(image, key, colour) {
  // a line around the matte, where it is half opaque: single hairs have none
  const name = key + 'outline' + colour;
  if (!tinted.has(name)) {
    const inside = silhouette(image, colour),
      { width, height } = inside,
      reach = Math.max(1, Math.max(width, height) / 500);
    const layer = new OffscreenCanvas(width, height),
      pen = layer.getContext('2d');
    for (let turn = 0; turn < 8; turn += 1) {
      const angle = (turn * Math.PI) / 4;
      pen.drawImage(inside, reach * Math.cos(angle), reach * Math.sin(angle));
    }
    pen.globalCompositeOperation = 'destination-out';
    pen.drawImage(inside, 0, 0);
    keepTinted(name, layer);
  }
  return tinted.get(name);
}

function keepTinted(name, layer) {
  // without the oldest ones
  tinted.set(name, layer);
  while (tinted.size > MAX_TINTED) tinted.delete(tinted.keys().next().value);
}

function silhouette(image, colour) {
  // what is more than half opaque
  const scale = Math.min(1, 1024 / Math.max(image.naturalWidth, image.naturalHeight));
  const layer = new OffscreenCanvas(
    Math.max(1, Math.round(image.naturalWidth * scale)),
    Math.max(1, Math.round(image.naturalHeight * scale)),
  );
  const pen = layer.getContext('2d');
  pen.drawImage(image, 0, 0, layer.width, layer.height);
  const pixels = pen.getImageData(0, 0, layer.width, layer.height);
  for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = pixels.data[i] > 127 ? 255 : 0;
  pen.putImageData(pixels, 0, 0);
  pen.globalCompositeOperation = 'source-in';
  pen.fillStyle = colour;
  pen.fillRect(0, 0, layer.width, layer.height);
  return layer;
}

function tint(image, key, colour) {
  const name = key + colour;
  if (!tinted.has(name)) {
    const layer = new OffscreenCanvas(image.naturalWidth, image.naturalHeight),
      pen = layer.getContext('2d');
    pen.drawImage(image, 0, 0);
    pen.globalCompositeOperation = 'source-in';
    pen.fillStyle = colour;
    pen.fillRect(0, 0, layer.width, layer.height);
    keepTinted(name, layer);
  }
  return tinted.get(name);
}

function drawPreview(pen) {
  const colour = tools.label ? '#ffffff' : '#ff5544';
  pen.globalAlpha = 0.45;
  pen.drawImage(tint(preview.mask, preview.mask.src, colour), 0, 0, state.photo.width, state.photo.height);
  pen.globalAlpha = 1;
}

// Prompts -----------------------------------------------------------------------------------------------------------------

function strokeTwice(pen, unit, [outerColour, outerWidth], [innerColour, innerWidth], path) {
  // visible on any photo
  for (const [colour, width] of [
    [outerColour, outerWidth],
    [innerColour, innerWidth],
  ]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width * unit;
    pen.beginPath();
    path();
    pen.stroke();
  }
}

function drawOp(pen, op, unit) {
  pen.lineJoin = pen.lineCap = 'round';
  const colour = op.label === 0 ? BACKGROUND : FOREGROUND;
  if (op.kind === 'box') {
    const [x0, y0, x1, y1] = op.xy;
    strokeTwice(pen, unit, ['#fff', 4], ['#1d4ed8', 2], () => pen.rect(x0, y0, x1 - x0, y1 - y0));
  } else if (op.kind === 'point') {
    drawPoint(pen, op, colour, unit);
  } else if (op.kind === 'scribble') {
    strokeTwice(pen, unit, ['#fff', 7], [colour, 4], () =>
      op.xy.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y))),
    );
  } else if (op.kind === 'paint' && op.label === brush.unknown) {
    pen.strokeStyle = '#fde04780';
    pen.lineWidth = op.size;
    pen.beginPath();
    [op.xy[0], ...op.xy].forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
  }
}

function drawPoint(pen, { xy: [x, y], label }, colour, unit) {
  // a disc with a plus or a minus
  const radius = 7 * unit,
    arm = radius / 2;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
  pen.strokeStyle = '#fff';
  pen.lineWidth = 2 * unit;
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x - arm, y);
  pen.lineTo(x + arm, y);
  if (label !== 0) {
    pen.moveTo(x, y - arm);
    pen.lineTo(x, y + arm);
  }
  pen.stroke();
}

function drawCross(pen, { x, y }, unit) {
  // of the keyboard
  const arm = 12 * unit;
  strokeTwice(pen, unit, ['#000', 4], ['#fff', 2], () => {
    pen.moveTo(x - arm, y);
    pen.lineTo(x + arm, y);
    pen.moveTo(x, y - arm);
    pen.lineTo(x, y + arm);
  });
}

function drawTextBox(pen, { xy: [x0, y0, x1, y1], label }, unit) {
  pen.setLineDash([6 * unit, 5 * unit]);
  strokeTwice(pen, unit, ['#000', 3], ['#fde047', 1.5], () => pen.rect(x0, y0, x1 - x0, y1 - y0));
  pen.setLineDash([]);
  pen.font = 13 * unit + 'px system-ui, sans-serif';
  pen.fillStyle = '#000c';
  pen.fillRect(x0, y0, pen.measureText(label).width + 8 * unit, 18 * unit);
  pen.fillStyle = '#fde047';
  pen.fillText(label, x0 + 4 * unit, y0 + 13 * unit);
}

function drawLoupe() {
  // while a finger covers what it draws
  const { at, stroke } = pointer,
    shown = Boolean(at && stroke && stroke.touch);
  loupe.hidden = !shown;
  if (!shown) return;
  const pen = loupe.getContext('2d'),
    factor = Math.max(4 * view.scale, 2),
    side = 2 * LOUPE;
  loupe.classList.toggle('left', toScreen(at).x > canvas.clientWidth / 2);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, side, side);
  pen.setTransform(factor, 0, 0, factor, LOUPE - at.x * factor, LOUPE - at.y * factor);
  drawPhoto(pen);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.strokeStyle = '#fff';
  pen.strokeRect(LOUPE - 0.5, LOUPE - 8, 1, 16);
  pen.strokeRect(LOUPE - 8, LOUPE - 0.5, 16, 1);
}
