// Input: mouse, pen and fingers on the photo, keys and buttons.

const CLICK_DISTANCE = 6; // pixels of the screen that a pointer may move within a click
const STROKE_STEP = 3; // and that it moves between two points of a scribble

const pointer = {
  down: new Map(), // fingers, pens and buttons that are down, by id
  stroke: null, // what is being drawn: {kind, label, xy}; "pending" until it is clear whether it is a click or a box
  at: null, // where the pointer or the keyboard's cross is, in the photo
  cross: false, // the keyboard moved it
  pan: null, // where a drag of the photo began
  pinch: null, // the last distance and centre of two fingers
  space: false, // the space bar is held: dragging moves the photo
};

// Pointers --------------------------------------------------------------------------------------------------------------

canvas.addEventListener('pointerdown', (event) => {
  canvas.focus({ preventScroll: true });
  if (!state.photo || state.opening) return;
  canvas.setPointerCapture(event.pointerId);
  pointer.down.set(event.pointerId, event);
  pointer.cross = false;
  if (pointer.down.size >= 2) {
    // two fingers move and zoom
    pointer.stroke = null;
    pointer.pinch = pointer.down.size === 2 ? measurePinch() : pointer.pinch;
    return draw();
  }
  if (event.button === 1 || pointer.space || tools.kind === 'move') {
    pointer.pan = { x: event.clientX - view.x, y: event.clientY - view.y };
    canvas.classList.add('panning');
    return event.preventDefault();
  }
  pointer.at = toPhoto(event);
  if (isInPhoto(pointer.at) || tools.kind === 'box') beginStroke(event);
});

function beginStroke(event) {
  const { x, y } = clampToPhoto(pointer.at),
    touch = event.pointerType === 'touch';
  const label = event.shiftKey || event.button === 2 ? Number(!tools.label) : tools.label;
  if (isPainting()) pointer.stroke = beginPainting(label, [x, y], { altKey: event.altKey, touch });
  else
    pointer.stroke =
      tools.kind === 'scribble'
        ? { kind: 'scribble', label, touch, xy: [[x, y]] }
        : {
            kind: 'pending',
            label,
            touch,
            isClick: isInPhoto(pointer.at),
            from: [x, y],
            screen: [event.clientX, event.clientY],
            xy: [x, y, x, y],
          };
  draw();
}

canvas.addEventListener('pointermove', (event) => {
  if (!state.photo || state.opening) return;
  if (pointer.down.has(event.pointerId)) pointer.down.set(event.pointerId, event);
  if (pointer.pinch && pointer.down.size === 2) return movePinch();
  if (pointer.pan) {
    view.x = event.clientX - pointer.pan.x;
    view.y = event.clientY - pointer.pan.y;
    return draw();
  }
  pointer.at = toPhoto(event);
  pointer.cross = false;
  if (pointer.stroke) {
    if (pointer.down.has(event.pointerId)) continueStroke(event); // else the keyboard began it, and the mouse only moves
  } else if (event.pointerType === 'mouse' && tools.kind === 'point' && isInPhoto(pointer.at)) {
    preview.place = pointer.at;
    preview.retries = PREVIEW_RETRIES;
    requestPreview();
  } else {
    clearPreview();
  }
  draw();
});

function continueStroke(event) {
  const { stroke } = pointer,
    { x, y } = clampToPhoto(pointer.at);
  if (isStroke(stroke)) {
    const [lastX, lastY] = stroke.xy[stroke.xy.length - 1];
    if (Math.hypot(x - lastX, y - lastY) * view.scale > STROKE_STEP) extendStroke(x, y);
  } else {
    const distance = Math.hypot(event.clientX - stroke.screen[0], event.clientY - stroke.screen[1]);
    if (distance > CLICK_DISTANCE && stroke.touch && tools.kind === 'point')
      pointer.stroke = null; // a swipe
    else if (distance > CLICK_DISTANCE) stroke.kind = 'box';
    stroke.xy = [...stroke.from, x, y];
  }
}

canvas.addEventListener('pointerup', (event) => {
  pointer.down.delete(event.pointerId);
  if (pointer.pinch) {
    if (!pointer.down.size) pointer.pinch = null;
    return;
  }
  if (pointer.pan) {
    pointer.pan = null;
    canvas.classList.remove('panning');
    return;
  }
  if (!pointer.stroke) return;
  const { stroke } = pointer,
    { kind, label, xy, from, isClick } = stroke;
  pointer.stroke = null;
  if (kind === 'paint') endPainting(stroke);
  else if (kind === 'scribble') addOp({ kind, label, xy });
  else if (kind === 'box') addBox(xy);
  else if (isClick) addOp({ kind: 'point', label, xy: from });
  else draw();
});

canvas.addEventListener('pointercancel', (event) => {
  pointer.down.delete(event.pointerId);
  pointer.stroke = pointer.pan = pointer.pinch = null;
  draw();
});

canvas.addEventListener('pointerleave', () => {
  if (pointer.stroke || pointer.cross) return;
  pointer.at = null;
  clearPreview();
  draw();
});

// Two fingers move and zoom the photo; the browser must not scroll the page with them.
canvas.addEventListener(
  'touchstart',
  (event) => {
    if (event.touches.length > 1) event.preventDefault();
  },
  { passive: false },
);

canvas.addEventListener('contextmenu', (event) => event.preventDefault());

canvas.addEventListener(
  'wheel',
  (event) => {
    if (!state.photo) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0015), { x: event.clientX - box.left, y: event.clientY - box.top });
  },
  { passive: false },
);

function movePinch() {
  const last = pointer.pinch,
    now = measurePinch();
  view.x += now.x - last.x;
  view.y += now.y - last.y;
  zoom(now.distance / last.distance, now);
  pointer.pinch = now;
}

function measurePinch() {
  const [a, b] = [...pointer.down.values()],
    box = canvas.getBoundingClientRect();
  return {
    x: (a.clientX + b.clientX) / 2 - box.left,
    y: (a.clientY + b.clientY) / 2 - box.top,
    distance: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
  };
}

// Keys and buttons --------------------------------------------------------------------------------------------------------

const actions = {
  open: () => find('.file').click(),
  new: addObject,
  save: () => trigger('save'),
  close,
  sign: () => chooseSign(Number(!tools.label)),
  snap: () => {
    brush.snap = !brush.snap;
    refresh();
  },
  smaller: () => resizeBrush(1 / 1.25),
  larger: () => resizeBrush(1.25),
  undo,
  redo,
  reset,
  fit,
  in: () => zoom(1.4),
  out: () => zoom(1 / 1.4),
};
const ACTION_KEYS = {
  '[': 'smaller',
  ']': 'larger',
  x: 'sign',
  n: 'new',
  z: 'undo',
  y: 'redo',
  '+': 'in',
  '=': 'in',
  '-': 'out',
  0: 'fit',
};
const TOOL_KEYS = { b: 'box', p: 'point', s: 'scribble', e: 'paint', m: 'move' };

function runAction(name) {
  // unless its button is disabled
  const button = find('[data-action="' + name + '"]');
  if (!button || !button.disabled) actions[name]();
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || !element.contains(button)) return;
  if (button.dataset.tool) chooseTool(button.dataset.tool);
  else if (button.dataset.sign) chooseSign(Number(button.dataset.sign));
  else if (button.dataset.example) open({ example: button.dataset.example });
  else if (button.dataset.action) actions[button.dataset.action]();
});

const isTyped = (target) => /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

// Keys count while the focus is in here or the pointer is over the photo, and never while somebody types.
function onKeyDown(event) {
  if (!element.isConnected) return document.removeEventListener('keydown', onKeyDown);
  const here = element.contains(event.target) || stage.matches(':hover');
  if (!here || !canvas.checkVisibility() || isTyped(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isBracket = key === '[' || key === ']'; // many keyboards need Alt for them
  if (event.altKey && !isBracket) return;
  const command = (event.ctrlKey || event.metaKey) && !isBracket,
    onPhoto = event.target === canvas && state.photo && !state.opening;
  if (command && key !== 'z' && key !== 'y') return;
  if (command && key === 'z' && event.shiftKey) redo();
  else if (key === 'Escape') {
    pointer.stroke = null;
    clearPreview();
    draw();
  } else if (ACTION_KEYS[key]) runAction(ACTION_KEYS[key]);
  else if (TOOL_KEYS[key]) chooseTool(TOOL_KEYS[key]);
  else if (onPhoto && key === ' ') pointer.space = true;
  else if (onPhoto && key.startsWith('Arrow')) moveCross(key, event.shiftKey);
  else if (onPhoto && key === 'Enter') pressAtCross(event.shiftKey ? Number(!tools.label) : tools.label);
  else return;
  event.preventDefault();
}
document.addEventListener('keydown', onKeyDown);
element.addEventListener('keyup', (event) => {
  if (event.key === ' ') pointer.space = false;
});

function moveCross(key, fine) {
  // the first key shows it, in the middle or where the pointer was
  const { width, height } = state.photo,
    step = Math.max(width, height) * (fine ? 0.002 : 0.02);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const at = pointer.at || { x: width / 2, y: height / 2 };
  pointer.at = pointer.cross ? clampToPhoto({ x: at.x + dx * step, y: at.y + dy * step }) : at;
  pointer.cross = true;
  const { x, y } = pointer.at,
    { stroke } = pointer;
  if (stroke && stroke.kind === 'box') stroke.xy = [...stroke.from, x, y];
  if (stroke && isStroke(stroke)) extendStroke(x, y);
  const screen = toScreen(pointer.at),
    margin = 20; // the cross stays in sight
  view.x += Math.max(0, margin - screen.x) - Math.max(0, screen.x - canvas.clientWidth + margin);
  view.y += Math.max(0, margin - screen.y) - Math.max(0, screen.y - canvas.clientHeight + margin);
  announce(text('position', { x: Math.round((100 * x) / width), y: Math.round((100 * y) / height) }));
  draw();
}

function pressAtCross(label) {
  // a point at once; a box or a scribble begins with one press and ends with the next
  if (!pointer.at || !pointer.cross) return moveCross('ArrowRight', true);
  const { kind } = tools,
    from = [pointer.at.x, pointer.at.y],
    { stroke } = pointer;
  if (kind === 'move') return;
  if (kind === 'point') return addOp({ kind: 'point', label, xy: from });
  if (!stroke) {
    if (kind === 'paint') pointer.stroke = beginPainting(label, from, { altKey: false });
    else pointer.stroke = kind === 'box' ? { kind, from, xy: [...from, ...from] } : { kind, label, xy: [from] };
    return pointer.stroke && announce(text(kind === 'box' ? 'first_corner' : 'stroke_begun'));
  }
  pointer.stroke = null;
  if (stroke.kind === 'box') addBox(stroke.xy);
  else if (stroke.kind === 'paint') endPainting(stroke);
  else addOp({ kind: 'scribble', label: stroke.label, xy: stroke.xy });
}
