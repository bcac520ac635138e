// What only Gradio's page needs: a photo travels to the server by Gradio's upload route. The static site (web/src/local.js) has
// `openFile` of its own.

const LONGEST = 2048; // pixels of the browser's own image of a photo, as of the server's

let sending = null; // the request that carries a photo to the server

function openFile(file, opening) {
  // a newer photo replaces one that is still on its way
  if (sending) sending.abort();
  const form = new FormData(),
    sent = new XMLHttpRequest(),
    decoded = showOwn(file, opening);
  form.append('files', file);
  sent.upload.onprogress = ({ loaded, total }) => {
    if (!total) return;
    state.busy = text('sending', { name: file.name, percent: Math.floor((100 * loaded) / total) });
    refresh();
  };
  sent.onload = () => decoded.then(() => finishUpload(sent, file.name, opening));
  sent.onerror = () => failUpload(text('connection_lost', { name: file.name }));
  sending = sent;
  state.busy = text('sending', { name: file.name, percent: 0 });
  sent.open('POST', uploadAddress());
  sent.send(form);
}

async function showOwn(file, opening) {
  // upright, over white, in the screen's colours; what it cannot decode comes from the server
  try {
    const whole = await createImageBitmap(file),
      { width, height } = whole,
      scale = Math.min(1, LONGEST / Math.max(width, height));
    const image = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))),
      pen = image.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, image.width, image.height);
    pen.drawImage(whole, 0, 0, image.width, image.height);
    whole.close();
    Object.assign(opening, { width, height, image });
  } catch (error) {
    return;
  }
  fit();
  refresh();
}

function uploadAddress() {
  // behind a proxy, the page's root is not the server's
  const root = (window.gradio_config && window.gradio_config.root) || location.origin + location.pathname;
  return root.replace(/[/]+$/, '') + '/gradio_api/upload' + location.search;
}

function finishUpload(sent, name, opening) {
  if (sent !== sending) return undefined;
  if (sent.status === 413) return failUpload(text('refused_as_too_large', { name }));
  if (sent.status !== 200) return failUpload(text('refused', { name, status: sent.status }));
  let path;
  try {
    [path] = JSON.parse(sent.responseText);
  } catch (error) {
    // a proxy's own page
    return failUpload(text('did_not_arrive', { name }));
  }
  sending = null;
  state.busy = text('opening', { name });
  refresh();
  const { number, image, width, height } = opening;
  trigger('uploaded', { path, opening: number, document: opening.document, shown: image && [width, height] });
  return undefined;
}

function failUpload(text) {
  sending = null;
  showFailure({ text });
  refresh();
}

async function showPlace() {
  // only what waits long is asked about
  if (state.busy && !sending) {
    try {
      const place = await server.place(null);
      if (place > 1 && state.busy) {
        state.busy = text('queue_place', { place });
        refresh();
      }
    } catch (error) {
      /* the reply itself describes what fails */
    }
  }
  setTimeout(showPlace, 3000);
}
setTimeout(showPlace, 3000);
