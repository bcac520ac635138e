// What the page around the canvas lacks in Gradio: names and groups for screen readers, and a result that can be dragged.
() => {
  const texts = TEXTS,
    language = document.documentElement.lang.split('-')[0];
  document.documentElement.lang = texts[language] ? language : 'en'; // as the texts are
  const words = texts[document.documentElement.lang];
  const all = (selector, change) => document.querySelectorAll(selector).forEach(change);

  const improve = () => {
    // Gradio gives each radio button a group of its own, so that arrow keys would not move between them.
    all('fieldset', (set, i) =>
      set.querySelectorAll('input[type=radio]').forEach((radio) => {
        radio.name = 'group' + i;
      }),
    );
    all('#problem, #batch_report', (line) => line.setAttribute('role', 'status'));
    all('#text input, #batch_text input', (field) => field.setAttribute('list', 'known_words'));
    for (const name of ['cutout', 'alpha'])
      all('#' + name + ' button:has(img)', (button) => button.setAttribute('aria-label', words[name]));
  };
  new MutationObserver(improve).observe(document.body, { childList: true, subtree: true });
  improve();

  // Dragging the result moves the object, in percent of the frame: a press of a hidden button has the sliders take the distance
  // (tabs/result.py). A finger drags where there is a new background, and else scrolls the page.
  let drag = null,
    waiting = null;
  window.takeDistance = (x, y) => {
    const [dx, dy] = (drag && drag.distance.map(Math.round)) || [0, 0],
      within = (value) => Math.min(Math.max(value, -100), 100);
    if (drag) drag.distance = [drag.distance[0] - dx, drag.distance[1] - dy];
    return [within(x + dx), within(y + dy)];
  };
  const press = () => {
    waiting = null;
    document.querySelector('#moved').click();
  };
  document.addEventListener('dragstart', (event) => {
    if (event.target.closest('#cutout')) event.preventDefault();
  });
  document.addEventListener('pointerdown', (event) => {
    const image = event.target.closest('#cutout img');
    if (!image || event.button) return;
    const scale = Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
    const size = [image.naturalWidth * scale, image.naturalHeight * scale];
    drag = { pointer: event.pointerId, last: [event.clientX, event.clientY], size, distance: [0, 0], moving: false };
  });
  document.addEventListener('pointermove', (event) => {
    if (!drag || event.pointerId !== drag.pointer || !event.buttons) return;
    const moved = [event.clientX - drag.last[0], event.clientY - drag.last[1]];
    if (!drag.moving && Math.hypot(...moved) < 5) return;
    Object.assign(drag, { moving: true, last: [event.clientX, event.clientY] });
    drag.distance = drag.distance.map((value, i) => value + (100 * moved[i]) / drag.size[i]);
    waiting = waiting || setTimeout(press, 100);
  });
};
