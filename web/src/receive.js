// Photos that another app shares with the installed site (manifest.webmanifest), or that the system opens with it.

/** Calls `open` with each of them. @type {(open: (file: File) => void) => void} */
export function receiveFiles(open) {
  if (location.hash === '#shared') {
    history.replaceState(null, '', location.pathname);
    takeShared().then(open, console.warn);
  }
  const { launchQueue } = /** @type {any} */ (window);
  if (launchQueue) launchQueue.setConsumer(({ files: [handle] }) => handle && handle.getFile().then(open));
}

/** The file that the service worker keeps for this visit. */
async function takeShared() {
  const cache = await caches.open(`mam-shared ${new URL('.', location.href).pathname}`);
  const [request] = await cache.keys();
  const answer = await cache.match(request);
  await cache.delete(request);
  return new File([await answer.blob()], decodeURIComponent(request.url.replace(/.*[/]/, '')));
}
