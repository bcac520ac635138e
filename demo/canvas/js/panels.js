// Everything around the photo: the toolbar's state, the message line, found boxes, SAM's other answers, and the objects.

function refresh() {
  find('.empty').hidden = Boolean(state.photo);
  const busy = find('.busy');
  busy.hidden = !state.busy;
  busy.textContent = state.busy;
  stage.setAttribute('aria-busy', String(Boolean(state.busy)));
  refreshToolbar();
  listTextBoxes();
  listCandidates();
  listObjects();
  draw();
}

function refreshToolbar() {
  for (const button of element.querySelectorAll('[data-tool]')) setPressed(button, button.dataset.tool === tools.kind);
  const sign = find('[data-action="sign"]');
  sign.textContent = tools.label ? '+ Add' : '- Remove';
  sign.classList.toggle('minus', !tools.label);
  setPressed(find('[data-action="loupe"]'), tools.loupe);
  find('[data-action="undo"]').disabled = !state.past.length;
  find('[data-action="redo"]').disabled = !state.future.length;
  find('[data-action="reset"]').disabled = !(state.textBoxes.length || hasPrompts());
}

function announce(text, error) {
  const line = find('.message');
  line.textContent = text || '';
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

function createButton(key, text, label, onclick, pressed) { // `key` names the button across refreshes
  const button = createElement('button', { type: 'button', title: label, onclick }, text);
  button.dataset.key = key;
  button.setAttribute('aria-label', label);
  if (pressed !== undefined) setPressed(button, pressed);
  return button;
}

function replaceParts(row, parts) { // the focus stays on the part with the same key
  const focused = row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  row.replaceChildren(...parts);
  if (!focused) return;
  const same = [...row.querySelectorAll('[data-key]')].find((part) => part.dataset.key === focused);
  (same || canvas).focus({ preventScroll: true });
}

// Lists ---------------------------------------------------------------------------------------------------------------

function listTextBoxes() {
  const boxes = activeObject().ops.filter((op) => op.kind === 'box');
  const used = boxes.length ? String(boxes[boxes.length - 1].xy) : '';
  replaceParts(find('.text-boxes'), state.textBoxes.map((box, i) =>
    createButton('box' + i, box.label, 'Use place ' + (i + 1) + ', ' + box.label, () => useTextBox(box), String(box.xy) === used)));
}

function listCandidates() {
  const matte = state.mattes[state.doc.active];
  replaceParts(find('.candidates'), ((matte && matte.candidates) || []).map(({ index, source }) => {
    const label = 'Answer ' + index + ' of 3';
    const button = createButton('candidate' + index, String(index), label, () => chooseCandidate(index), index === matte.chosen);
    button.prepend(createElement('img', { src: source, alt: '' }));
    return button;
  }));
}

function listObjects() {
  const row = find('.objects');
  if (row.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return; // a name is being typed
  if (!state.photo) return replaceParts(row, []);
  replaceParts(row, [...state.doc.objects.map(objectPart), createButton('add', '+ Add object', '+ Add object', addObject)]);
}

function objectPart(object) { // its colour, its name, and what can be done with it
  const { id, name, visible } = object, active = id === state.doc.active;
  const field = createElement('input', { value: name, maxLength: LIMITS.name_length });
  field.setAttribute('aria-label', 'Name of object ' + id);
  field.onchange = () => renameObject(object, field.value);
  field.onkeydown = (event) => { if (event.key === 'Enter') { field.blur(); canvas.focus(); } };
  const colour = createElement('span', { className: 'colour' });
  colour.style.background = colourOf(object);
  const toggle = visible ? 'Hide' : 'Show';
  return createElement('span', { className: 'object' + (active ? ' active' : '') }, colour, field,
    createButton(id + ':select', 'Select', 'Select ' + name, () => selectObject(id), active),
    createButton(id + ':toggle', toggle, toggle + ' ' + name, () => toggleObject(object)),
    createButton(id + ':remove', 'Remove', 'Remove ' + name, () => removeObject(id)));
}
