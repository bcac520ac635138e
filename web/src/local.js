/* exported openFile */
// What only the static site needs in the canvas: a photo goes to the worker in this browser, not to a server.

function openFile(file, opening) {
  state.busy = text('opening', { name: file.name });
  trigger('uploaded', { file, opening: opening.number, document: opening.document });
}
