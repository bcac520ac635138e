// The controls of the result's style: background, size and place, edges and shadow.

/** @import { Style } from './types.d.ts' */

import { find, findAll } from './elements.js';
import { BACKGROUNDS, SHAPES } from './model.js';

const PLACE = { '#shape': 'shape_photo', '#size': 100, '#shift_x': 0, '#shift_y': 0 }; // the controls, and their defaults
const share = (selector) => Number(find(selector).value) / 100;

let kind = 'none'; // of the background that is shown
let sent = ''; // name of the picture that the worker has
let own = 0; // pictures that the visitor has chosen

/**
 * Calls `send` with `style` at every change, and with `picture`, a file or an address, when it is another one. A style's
 * background is "picture" in place of an image.
 * @type {(send: (message: { style: any, picture?: File | string }) => void) => void}
 */
export function watchStyle(send) {
  const changed = () => {
    showControls();
    const picture = kind === 'own' ? `own ${own}` : BACKGROUNDS[kind] || sent;
    const file = kind === 'own' ? find('#own').files[0] : BACKGROUNDS[kind];
    send({ style: readStyle(), ...(picture !== sent && { picture: kind === 'own' ? file : addressOf(file) }) });
    sent = picture;
  };
  find('#background').onchange = () => {
    if (find('#background').value === 'own') {
      find('#own').value = ''; // the same file may be chosen again
      find('#own').click();
    } else {
      kind = find('#background').value;
      changed();
    }
  };
  find('#own').oncancel = () => (find('#background').value = kind);
  find('#own').onchange = () => {
    kind = 'own';
    own += 1;
    changed();
  };
  find('#reset_place').onclick = () => {
    for (const [selector, value] of Object.entries(PLACE)) find(selector).value = value;
    changed();
  };
  const others = findAll('#result details input:not(#own, #touching), #shape');
  for (const control of others) control.oninput = changed;
  showControls();
}

const addressOf = (file) => new URL(file, import.meta.url).href;

function showControls() {
  const group = kind === 'own' || BACKGROUNDS[kind] ? 'picture' : kind;
  for (const label of findAll('[data-for]')) label.hidden = !label.dataset.for.split(' ').includes(group);
  find('#reset_place').hidden = Object.entries(PLACE).every(
    ([selector, value]) => find(selector).value === String(value),
  );
}

/** @returns {Omit<Style, 'background'> & { background: any }} */
function readStyle() {
  const shape = SHAPES[find('#shape').value];
  const [top, bottom] = [find('#colour').value, find('#lower').value];
  const backgrounds = {
    none: shape.background,
    white: '#ffffff',
    colour: top,
    gradient: { top, bottom },
    blur: { blur: Number(find('#blur').value) },
  };
  return {
    background: kind in backgrounds ? backgrounds[kind] : 'picture',
    whole: find('#whole').checked,
    position: [share('#x'), share('#y')],
    shadow: share('#shadow'),
    softness: share('#softness'),
    grow: Number(find('#grow').value),
    outline: shape.outline,
    clean: find('#clean').checked,
    placement: { ...shape.placement, scale: share('#size'), offset: [share('#shift_x'), share('#shift_y')] },
  };
}
