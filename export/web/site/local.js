// What only the static site needs in the canvas: a photo goes to the worker in this browser, not to a server.

function openFile(file) {
  state.busy = text('opening', { name: file.name });
  refresh();
  trigger('uploaded', { file });
}
