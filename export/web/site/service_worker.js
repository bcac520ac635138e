// Keeps the page for use without a network, and adds the two headers that allow threads on hosts that cannot send them. The
// build puts the list of files and the version of the page in front of this script: FILES, VERSION. The model has a cache of
// its own, which graphs.js fills; its files have their checksum in their names.

// The names hold the path, as several sites may share an origin.
const SITE = new URL(self.registration.scope).pathname, PAGES = `mam-page ${SITE} `, PAGE = PAGES + VERSION, MODEL = `mam-model ${SITE}`;
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

const addressOf = (file) => new URL(file, self.registration.scope).href;

self.addEventListener('install', (event) => {
  const requests = FILES.page.map((file) => new Request(addressOf(file), { cache: 'no-cache' }));
  event.waitUntil(caches.open(PAGE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(Promise.all([dropOldPages(), dropOldModels(), self.clients.claim()]));
});

async function dropOldPages() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PAGES) && name !== PAGE);
  await Promise.all(names.map((name) => caches.delete(name)));
}

async function dropOldModels() {
  const cache = await caches.open(MODEL), current = new Set(FILES.model.map(addressOf));
  const old = (await cache.keys()).filter(({ url }) => !current.has(url));
  await Promise.all(old.map((request) => cache.delete(request)));
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(self.registration.scope)) event.respondWith(answer(request));
});

async function answer(request) {
  const cache = await caches.open(PAGE), { pathname } = new URL(request.url);
  const address = pathname === SITE ? addressOf('index.html') : request.url;
  const known = await cache.match(address, { ignoreSearch: true }), found = known || await fetch(request);
  if (!found.ok) return found;
  if (!known && request.url.startsWith(addressOf('examples/'))) await cache.put(request.url, found.clone());
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
