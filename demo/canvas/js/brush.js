// The brush that erases and restores by hand: its settings, and what its strokes change on the canvas until an answer has it.

const BRUSH_PIXELS = 1024; // longest side at which strokes are drawn while they are on their way

const brush = {
  size: 40, // diameter in pixels of the screen, so that zooming in makes it finer
  softness: 0.3,
  snap: true, // stop at edges; Alt turns it over for one stroke
  unknown: 2, // the label of strokes over what the best edges are to compute again
  sent: [], // strokes without an answer yet
  layers: new WeakMap(), // by stroke: {count of its points, layer, box}
};

const isPainting = () => tools.kind === 'paint';
const round = (value) => Math.round(value * 10) / 10;

function isStroke({ kind }) {
  return kind === 'scribble' || kind === 'paint';
}

function extendStroke(x, y) {
  if (pointer.stroke.xy.length < LIMITS.stroke_points) pointer.stroke.xy.push([round(x), round(y)]);
}

function beginPainting(label, [x, y], { altKey, touch }) {
  // null where there is nothing to paint on
  const matte = state.mattes[state.doc.active];
  if (!matte) announce(text('paint_first'), true);
  return matte
    ? {
        kind: 'paint',
        label,
        touch,
        xy: [[round(x), round(y)]],
        size: Math.max(1, round(brush.size / view.scale)),
        softness: brush.softness,
        snap: label !== brush.unknown && brush.snap !== altKey,
      }
    : null;
}

function endPainting({ kind, label, xy, size, softness, snap }) {
  const op = { kind, label, xy, size, softness, snap };
  addOp(op);
  if (label !== brush.unknown && activeObject().ops.includes(op)) brush.sent.push(op);
}

function setBrush(name, value) {
  // the sliders count in whole numbers
  if (name === 'size') brush.size = value;
  else brush.softness = value / 100;
  refresh();
}

function resizeBrush(factor) {
  const { min, max } = find('[data-brush="size"]');
  setBrush('size', Math.round(Math.min(Math.max(brush.size * factor, min), max)));
}

function refreshBrush() {
  find('.brush').hidden = !isPainting();
  find('[data-brush="size"]').value = brush.size;
  find('[data-brush="softness"]').value = 100 * brush.softness;
  setPressed(find('[data-action="snap"]'), brush.snap);
  const asksAgain = isPainting() && document.querySelector('#best_edges input:checked');
  find('[data-sign="2"]').hidden = !asksAgain;
  if (!asksAgain && tools.label === brush.unknown) tools.label = 0;
  for (const button of element.querySelectorAll('[data-sign]')) {
    // what the signs do with this tool
    const name = (isPainting() ? ['erase', 'restore', 'unknown'] : ['remove', 'add', 'unknown'])[button.dataset.sign];
    button.querySelector('span').textContent = text(name);
    button.title = text(name + '_hint');
  }
}

// Drawing -----------------------------------------------------------------------------------------------------------------

function drawStrokes(dark) {
  // on the layer that dims what is not part of an object
  const strokes = [...brush.sent, pointer.stroke].filter(
    (stroke) => stroke && stroke.kind === 'paint' && stroke.label !== brush.unknown,
  );
  for (const stroke of strokes) {
    const { layer, box, scale } = strokeLayer(stroke);
    if (!layer) continue;
    const [x, y, right, bottom] = box;
    dark.globalCompositeOperation = stroke.label ? 'destination-out' : 'source-over';
    dark.drawImage(layer, x / scale, y / scale, (right - x) / scale, (bottom - y) / scale);
  }
}

function strokeLayer(stroke) {
  // black, as opaque as the stroke changes the photo
  const known = brush.layers.get(stroke);
  if (known && known.count === stroke.xy.length) return known;
  const { pixels, size, scale } = smallPhoto(),
    xy = stroke.xy.map(([x, y]) => [x * scale, y * scale]);
  const { shares, box } = findFootprint({ ...stroke, xy, size: stroke.size * scale }, pixels, size, 4),
    width = box[2] - box[0];
  const made = {
    count: stroke.xy.length,
    box,
    scale,
    layer: shares.length ? new OffscreenCanvas(width, box[3] - box[1]) : null,
  };
  if (made.layer) {
    const content = new ImageData(width, box[3] - box[1]);
    shares.forEach((share, i) => {
      content.data[4 * i + 3] = 255 * share + 0.5;
    });
    made.layer.getContext('2d').putImageData(content, 0, 0);
  }
  brush.layers.set(stroke, made);
  return made;
}

function smallPhoto() {
  // its pixels, RGBA
  const { photo } = state,
    { width, height } = photo;
  if (!photo.small) {
    const scale = Math.min(1, BRUSH_PIXELS / Math.max(width, height));
    const layer = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
    const pen = layer.getContext('2d');
    pen.drawImage(photo.image, 0, 0, layer.width, layer.height);
    photo.small = {
      pixels: pen.getImageData(0, 0, layer.width, layer.height).data,
      size: [layer.height, layer.width],
      scale,
    };
  }
  return photo.small;
}

function drawBrush(pen, unit) {
  // its outline, in the middle of the canvas while the sliders are used
  const middle = { x: (canvas.clientWidth / 2 - view.x) * unit, y: (canvas.clientHeight / 2 - view.y) * unit };
  const at = pointer.at || (find('.brush').contains(document.activeElement) && middle);
  if (at)
    strokeTwice(pen, unit, ['#000', 3], ['#fff', 1.5], () =>
      pen.arc(at.x, at.y, (brush.size / 2) * unit, 0, 2 * Math.PI),
    );
}

for (const slider of element.querySelectorAll('[data-brush]')) {
  slider.addEventListener('input', () => setBrush(slider.dataset.brush, Number(slider.value)));
  slider.addEventListener('blur', () => draw());
}
