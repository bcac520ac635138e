// What comes back after a reload, a lost connection or a restart of the server: the photo from this browser's IndexedDB, its
// prompts from the tab's own session storage. Closing the photo removes both; what a closed tab left is removed after a day.

const KEPT_FOR = 24 * 3600e3; // ms
const DOCUMENT = 'mam.document',
  TAB = 'mam.tab';

async function inStore(use) {
  // the result of a request to the store of photos, which are kept by tab
  const asPromise = (asked) =>
    new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  const asked = indexedDB.open('mam', 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore('photos');
  const database = await asPromise(asked);
  try {
    return await asPromise(use(database.transaction('photos', 'readwrite').objectStore('photos')));
  } finally {
    database.close();
  }
}

function tabName() {
  if (!sessionStorage.getItem(TAB)) sessionStorage.setItem(TAB, Date.now() + '.' + Math.random());
  return sessionStorage.getItem(TAB);
}

const ignoreRefusal = () => {}; // a browser may allow no storage, or be out of room: then nothing is kept

function keepPhoto() {
  const { source } = state.photo;
  keepDocument();
  inStore((store) => store.put({ source, time: Date.now() }, tabName())).catch(ignoreRefusal);
}

function keepDocument() {
  try {
    sessionStorage.setItem(DOCUMENT, JSON.stringify(state.doc));
  } catch (error) {
    ignoreRefusal(error);
  }
}

function forgetKept() {
  try {
    sessionStorage.removeItem(DOCUMENT);
    inStore((store) => store.delete(tabName())).catch(ignoreRefusal);
  } catch (error) {
    ignoreRefusal(error);
  }
}

async function bringBack() {
  // when the page is loaded
  try {
    for (const key of await inStore((store) => store.getAllKeys())) {
      const { time } = await inStore((store) => store.get(key));
      if (key !== tabName() && Date.now() - time > KEPT_FOR) await inStore((store) => store.delete(key));
    }
    const kept = await inStore((store) => store.get(tabName())),
      document = sessionStorage.getItem(DOCUMENT);
    if (kept && document && !state.photo && !state.opening)
      open(kept.source, JSON.parse(document), text('brought_back'));
  } catch (error) {
    ignoreRefusal(error);
  }
}

function reopen(note) {
  // the open photo, for a server that has forgotten it; false if there is none
  if (!state.photo || !state.photo.source) return false;
  open(state.photo.source, state.doc, note);
  return true;
}
