// What the page around the canvas lacks in Gradio: names and groups for screen readers, and a result that can be dragged.
() => {
  const texts = TEXTS, language = document.documentElement.lang.split('-')[0];
  document.documentElement.lang = texts[language] ? language : 'en'; // as the texts are
  const words = texts[document.documentElement.lang];
  const all = (selector, change) => document.querySelectorAll(selector).forEach(change);

  const improve = () => {
    // Gradio gives each radio button a group of its own, so that arrow keys would not move between them.
    all('fieldset', (set, i) => set.querySelectorAll('input[type=radio]').forEach((radio) => { radio.name = 'group' + i; }));
    all('#problem, #batch_report', (line) => line.setAttribute('role', 'status'));
    all('#text input, #batch_text input', (field) => field.setAttribute('list', 'known_words'));
    for (const name of ['cutout', 'alpha']) all('#' + name + ' button:has(img)', (button) => button.setAttribute('aria-label', words[name]));
  };
  new MutationObserver(improve).observe(document.body, { childList: true, subtree: true });
  improve();

  // Dragging the result moves the sliders of the object's place, in percent of the frame; with a finger, where there is a new background.
  let drag = null;
  const slider = (name) => document.querySelector('#' + name + ' input[type=range]');
  const move = (name, value) => {
    const input = slider(name);
    input.value = Math.round(Math.min(Math.max(value, input.min), input.max));
    input.dispatchEvent(new Event('input', { bubbles: true }));
  };
  document.addEventListener('dragstart', (event) => { if (event.target.closest('#cutout')) event.preventDefault(); });
  document.addEventListener('pointerdown', (event) => {
    const image = event.target.closest('#cutout img, #cutout button:has(img)');
    if (!image || event.button || !slider('shift_x')) return;
    const { naturalWidth, naturalHeight, clientWidth, clientHeight } = image.querySelector('img') || image;
    const scale = Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight);
    drag = {
      pointer: event.pointerId, from: [event.clientX, event.clientY], size: [naturalWidth * scale, naturalHeight * scale],
      at: [Number(slider('shift_x').value), Number(slider('shift_y').value)],
    };
  });
  document.addEventListener('pointermove', (event) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    const moved = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
    if (!drag.moving && Math.hypot(...moved) < 5) return;
    drag.moving = true;
    ['shift_x', 'shift_y'].forEach((name, i) => move(name, drag.at[i] + (100 * moved[i]) / drag.size[i]));
  });
  for (const type of ['pointerup', 'pointercancel']) document.addEventListener(type, () => { drag = null; });
}
