// What only Gradio's page needs: a photo travels to the server by Gradio's upload route. The static site (export/web) has
// `openFile` of its own.

let sending = null; // the request that carries a photo to the server

function openFile(file) { // a newer photo replaces one that is still on its way
  if (sending) sending.abort();
  const form = new FormData(), sent = new XMLHttpRequest();
  form.append('files', file);
  sent.upload.onprogress = ({ loaded, total }) => {
    if (!total) return;
    state.busy = text('sending', { name: file.name, percent: Math.floor(100 * loaded / total) });
    refresh();
  };
  sent.onload = () => finishUpload(sent, file.name);
  sent.onerror = () => failUpload(text('connection_lost', { name: file.name }));
  sending = sent;
  state.busy = text('sending', { name: file.name, percent: 0 });
  refresh();
  sent.open('POST', uploadAddress());
  sent.send(form);
}

function uploadAddress() { // behind a proxy, the page's root is not the server's
  const root = (window.gradio_config && window.gradio_config.root) || location.origin + location.pathname;
  return root.replace(/[/]+$/, '') + '/gradio_api/upload' + location.search;
}

function finishUpload(sent, name) {
  if (sent.status === 413) return failUpload(text('refused_as_too_large', { name }));
  if (sent.status !== 200) return failUpload(text('refused', { name, status: sent.status }));
  let path;
  try {
    [path] = JSON.parse(sent.responseText);
  } catch (error) { // a proxy's own page
    return failUpload(text('did_not_arrive', { name }));
  }
  sending = null;
  state.busy = text('opening', { name });
  refresh();
  trigger('uploaded', { path });
}

function failUpload(text) {
  sending = null;
  state.busy = '';
  announce(text, true);
  refresh();
}
