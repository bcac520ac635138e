// The menu of models. Its value comes from `Models.menu`.

const menu = element.querySelector('details'),
  list = element.querySelector('ul');
let shown = '',
  current = null;

function row({ name, facts, best, state }) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.name = name;
  button.setAttribute('aria-current', name === current);
  for (const [kind, text] of Object.entries({ name, state, best, facts })) {
    const part = document.createElement('span');
    part.className = kind;
    part.textContent = text;
    if (text) button.append(part, ' ');
  }
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function show() {
  const value = props.value,
    now = JSON.stringify(value);
  if (!value || now === shown) return;
  shown = now;
  if (current !== null && current !== value.current) trigger('switched', {});
  current = value.current;
  const label = document.createElement('span'); // a phone's screen has no room for it
  label.textContent = value.label + ': ';
  menu.querySelector('summary').replaceChildren(label, current);
  menu.querySelector('summary').setAttribute('aria-label', label.textContent + current);
  const focused =
    document.activeElement && list.contains(document.activeElement) && document.activeElement.dataset.name;
  list.replaceChildren(...value.rows.map(row));
  if (focused) [...list.querySelectorAll('button')].find((button) => button.dataset.name === focused).focus();
  element.querySelector('p').textContent = value.line;
}

list.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  menu.open = false;
  menu.querySelector('summary').focus();
  trigger('choose', { name: button.dataset.name });
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && menu.open) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});
document.addEventListener('pointerdown', (event) => {
  if (!element.contains(event.target)) menu.open = false;
});
watch('value', show);
show();
