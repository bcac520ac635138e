// Keeps the page for use without a network, and adds the two headers that allow threads on hosts that cannot send them. It answers
// for the site's own files only, as other pages may lie beside them. The page itself comes from the network where there is one, so
// that visitors meet whatever its owner has put there. The build puts the list of files and the version of the page in front of this
// script: FILES, VERSION. The model has a cache of its own, which graphs.js fills; its files have their checksum in their names.

// The names hold the path, as several sites may share an origin.
const scope = /** @type {any} */ (self); // a ServiceWorkerGlobalScope
const SITE = new URL(scope.registration.scope).pathname;
const PAGES = `mam-page ${SITE} `;
const PAGE = PAGES + VERSION;
const MODEL = `mam-model ${SITE}`;
const SHARED = `mam-shared ${SITE}`;
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

const addressOf = (file) => new URL(file, scope.registration.scope).href;

scope.addEventListener('install', (event) => {
  const requests = FILES.page.map((file) => new Request(addressOf(file), { cache: 'no-cache' }));
  event.waitUntil(
    caches
      .open(PAGE)
      .then((cache) => cache.addAll(requests))
      .then(() => scope.skipWaiting()),
  );
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(Promise.all([dropOldPages(), dropOldModels(), scope.clients.claim()]));
});

async function dropOldPages() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PAGES) && name !== PAGE);
  await Promise.all(names.map((name) => caches.delete(name)));
}

async function dropOldModels() {
  const cache = await caches.open(MODEL),
    current = new Set(FILES.model.map(addressOf));
  const old = (await cache.keys()).filter(({ url }) => !current.has(url));
  await Promise.all(old.map((request) => cache.delete(request)));
}

const own = new Set([...FILES.page, ...FILES.examples].map(addressOf)),
  documents = new Set(['', 'index.html'].map(addressOf));

scope.addEventListener('fetch', (event) => {
  const { request } = event,
    address = request.url.replace(/[?#].*/, '');
  if (request.method === 'POST' && address === addressOf('share')) event.respondWith(keepShared(request));
  if (request.method !== 'GET') return;
  if (documents.has(address)) event.respondWith(answerWithPage(request));
  else if (address === addressOf('look.json')) event.respondWith(answerWithLook(request));
  else if (own.has(address)) event.respondWith(answerWithFile(request, address));
});

// A photo from another app, as the manifest's share target sends it; the page takes it.
async function keepShared(request) {
  const photo = (await request.formData()).get('photo');
  if (photo) {
    await caches.delete(SHARED);
    await (await caches.open(SHARED)).put(addressOf(encodeURIComponent(photo.name)), new Response(photo));
  }
  return Response.redirect(addressOf('#shared'), 303);
}

async function answerWithPage(request) {
  const kept = await caches.match(addressOf('index.html'), { cacheName: PAGE });
  let found = null;
  try {
    found = await fetch(request.url, { cache: 'no-cache', redirect: 'manual' }); // else browsers guess how long a page stays valid
  } catch {
    /* no network */
  }
  if (kept && (!found || found.status >= 500)) return withHeaders(kept);
  if (!found) return Response.error();
  if (found.type === 'opaqueredirect') return found;
  const version = found.ok && /<meta name="mam-site" content="(.*?)">/.exec(await found.clone().text());
  if (version && version[1] === VERSION) return withHeaders(found);
  await caches.delete(PAGE); // its files would not fit
  if (!version) await leave();
  return found;
}

// There is another page, or none: nothing of this site stays with its visitors.
async function leave() {
  await caches.delete(MODEL);
  await scope.registration.unregister();
}

async function answerWithFile(request, address) {
  const known = await caches.match(address, { cacheName: PAGE });
  if (known) return withHeaders(known);
  const found = await fetch(request),
    isCurrent = await caches.has(PAGE);
  if (!found.ok || !isCurrent) return found;
  await (await caches.open(PAGE)).put(address, found.clone()); // an example
  return withHeaders(found);
}

// The owner may have changed it.
async function answerWithLook(request) {
  try {
    const found = await fetch(request.url, { cache: 'no-cache' });
    if (found.ok && (await caches.has(PAGE))) await (await caches.open(PAGE)).put(request.url, found.clone());
    return withHeaders(found);
  } catch {
    return (await caches.match(request.url, { cacheName: PAGE })) || Response.json({});
  }
}

function withHeaders(found) {
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
