// Everything around the photo: the toolbar's state, the message line, found boxes, SAM's other answers, and the objects.

function refresh() {
  const photo = state.opening || state.photo,
    hasPhoto = Boolean(photo);
  document.body.classList.toggle('photo-open', hasPhoto); // the page shows its controls
  for (const part of document.querySelectorAll('.of-photo')) part.inert = Boolean(state.opening); // the last photo's result
  stage.style.setProperty('--aspect', photo && photo.width ? photo.width / photo.height : 1);
  find('.empty').hidden = hasPhoto;
  canvas.tabIndex = hasPhoto ? 0 : -1;
  canvas.setAttribute('aria-hidden', String(!hasPhoto));
  find('.bar').hidden = find('.tools').hidden = !hasPhoto;
  find('.tools').inert = find('.foot').inert = Boolean(state.opening);
  const busy = find('.busy');
  busy.hidden = !state.busy;
  busy.textContent = state.busy;
  stage.setAttribute('aria-busy', String(Boolean(state.busy)));
  refreshToolbar();
  listTextBoxes();
  listCandidates();
  listObjects();
  draw();
  requestPreview(); // one may have been waiting until the page was idle
}

function refreshToolbar() {
  for (const button of element.querySelectorAll('[data-tool]')) setPressed(button, button.dataset.tool === tools.kind);
  for (const button of element.querySelectorAll('[data-sign]'))
    setPressed(button, Number(button.dataset.sign) === tools.label);
  refreshBrush();
  // On a touch screen the click tool leaves swipes to the page.
  canvas.classList.toggle('scrolling', tools.kind === 'point');
  canvas.classList.toggle('moving', tools.kind === 'move');
  const enabled = {
    undo: state.past.length,
    redo: state.future.length,
    reset: state.textBoxes.length || hasPrompts(),
    new: state.photo && hasPrompts(),
    save: Object.keys(state.mattes).length,
    close: true,
  };
  for (const [action, on] of Object.entries(enabled)) {
    for (const button of element.querySelectorAll('[data-action="' + action + '"]'))
      button.disabled = !on || state.opening;
  }
}

function chooseTool(kind) {
  if ((kind === 'paint') !== isPainting()) tools.label = kind === 'paint' ? 0 : 1; // it begins by erasing
  tools.kind = kind;
  pointer.stroke = null;
  refresh();
}

function chooseSign(label) {
  tools.label = label;
  refresh();
}

function translate() {
  // the template's texts
  for (const part of element.querySelectorAll('[data-text]')) part.textContent = text(part.dataset.text);
  for (const part of element.querySelectorAll('[data-label], [data-name]'))
    part.setAttribute('aria-label', text(part.dataset.label || part.dataset.name));
  for (const part of element.querySelectorAll('[data-hint]')) part.title = text(part.dataset.hint);
  for (const part of element.querySelectorAll('[data-key-hint]')) {
    part.title = text(part.dataset.name) + ' (' + part.dataset.keyHint + ')';
  }
  for (const part of element.querySelectorAll('[data-example]'))
    part.setAttribute('aria-label', text('example', { name: part.dataset.example }));
}

function announce(message, error) {
  const line = find('.message');
  line.textContent = (error ? message : state.note + ' ' + message).trim(); // what is wrong may be wrong with another photo
  line.classList.toggle('error', Boolean(error));
  line.setAttribute('aria-live', error ? 'assertive' : 'polite');
}

// Parts ---------------------------------------------------------------------------------------------------------------

function setPressed(button, pressed) {
  button.setAttribute('aria-pressed', String(pressed));
}

function createElement(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function createButton(key, content, label, onclick, pressed) {
  // `key` names the button across refreshes
  const button = createElement('button', { type: 'button', title: label, onclick }, content);
  button.dataset.key = key;
  button.setAttribute('aria-label', label);
  if (pressed !== undefined) setPressed(button, pressed);
  return button;
}

function createIcon(path) {
  // for a part that is created here; the template has its own
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg'),
    line = document.createElementNS(icon.namespaceURI, 'path');
  icon.setAttribute('viewBox', '0 0 24 24');
  line.setAttribute('d', path);
  icon.append(line);
  return icon;
}

function replaceParts(row, parts) {
  // the focus stays on the part with the same key
  const focused = row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  row.replaceChildren(...parts);
  if (!focused) return;
  const same = [...row.querySelectorAll('[data-key]')].find((part) => part.dataset.key === focused);
  (same || canvas).focus({ preventScroll: true });
}

// Lists ---------------------------------------------------------------------------------------------------------------

const EYE = 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z';
const CROSSED_EYE = EYE + 'M4 4l16 16',
  BIN = 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13';

function listTextBoxes() {
  if (state.opening) return replaceParts(find('.text-boxes'), []);
  const boxes = activeObject().ops.filter((op) => op.kind === 'box');
  const used = boxes.length ? String(boxes[boxes.length - 1].xy) : '';
  replaceParts(
    find('.text-boxes'),
    state.textBoxes.map((box, i) => {
      const label = text('found_place', { number: i + 1, label: box.label });
      return createButton('box' + i, box.label, label, () => useTextBox(box), String(box.xy) === used);
    }),
  );
}

function listCandidates() {
  const used = offers.key === offersKey() && !state.opening ? offers.list : [],
    last = activeObject().ops.at(-1) || {};
  const buttons = used.map(({ name, source }, i) =>
    ['add', 'only'].includes(name)
      ? readingButton(name, source, i === 0)
      : createButton(
          name,
          createElement('img', { src: source, alt: '' }),
          text('candidate_' + name),
          () => chooseCandidate(name),
          last.kind === 'candidate' && last.name === name,
        ),
  );
  replaceParts(find('.candidates'), buttons.length ? [createElement('span', {}, text('candidates')), ...buttons] : []);
}

function readingButton(reading, source, pressed) {
  // what a click beside the main object may mean
  const label = text(reading === 'add' ? 'add_to_it' : 'only_this');
  const content = createElement(
    'span',
    { className: 'reading' },
    createElement('img', { src: source, alt: '' }),
    label,
  );
  return createButton(reading, content, label, () => chooseReading(reading), pressed);
}

function listObjects() {
  // one alone needs no list
  const row = find('.objects');
  if (row.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return; // a name is being typed
  replaceParts(
    row,
    !state.opening && state.photo && state.doc.objects.length > 1 ? state.doc.objects.map(objectPart) : [],
  );
}

function objectPart(object) {
  // its colour, its name, and what can be done with it
  const { id, name, visible } = object,
    active = id === state.doc.active;
  const field = createElement('input', { value: name, maxLength: LIMITS.name_length });
  field.setAttribute('aria-label', text('object_name', { number: id }));
  field.onchange = () => renameObject(id, field.value);
  field.onkeydown = (event) => {
    if (event.key === 'Enter') {
      field.blur();
      canvas.focus();
    }
  };
  const colour = createElement('span', { className: 'colour' });
  colour.style.background = colourOf(object);
  const toggle = text(visible ? 'hide' : 'show', { name });
  return createElement(
    'span',
    { className: 'object' + (active ? ' active' : '') },
    createButton(id + ':select', colour, text('select', { name }), () => selectObject(id), active),
    field,
    createButton(id + ':toggle', createIcon(visible ? EYE : CROSSED_EYE), toggle, () => toggleObject(object)),
    createButton(id + ':delete', createIcon(BIN), text('delete', { name }), () => removeObject(id)),
  );
}
