// The name and the colour that the site's owner has chosen in look.json.

import { find } from './elements.js';

export async function showLook() {
  const answer = await fetch(new URL('look.json', import.meta.url)).catch(() => null);
  const { name, accent } = answer && answer.ok ? await answer.json().catch(() => ({})) : {};
  if (name) document.title = find('h1').textContent = name;
  if (accent) document.documentElement.style.setProperty('--accent', accent);
}
