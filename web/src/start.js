// What the browser lacks, or why the scripts cannot run, in words. A classic script in old syntax: it runs where modules do not.
// The build puts TEXTS in front of it, the texts of this file by language.

var start = (function () {
  var language = (navigator.language || 'en').slice(0, 2),
    texts = TEXTS[language] || TEXTS.en,
    shown = false;

  function show(key, details) {
    if (shown) return;
    shown = true;
    start.problem = texts[key].replace('{details}', details);
    document.addEventListener('DOMContentLoaded', write);
    if (document.readyState !== 'loading') write();
  }

  function write() {
    document.getElementById('loading').hidden = true;
    document.getElementById('broken').hidden = false;
    document.querySelector('#broken span').textContent = start.problem;
    var reload = /** @type {HTMLElement} */ (document.querySelector('#broken button'));
    reload.onclick = function () {
      location.reload();
    };
  }

  function hasModuleWorkers() {
    // the browser reads the option only if it knows it
    var known = false;
    var options = {
      get type() {
        known = true;
        return /** @type {WorkerType} */ ('classic');
      }
    };
    try {
      new Worker('data:text/javascript,', options).terminate();
    } catch (refused) {
      /* refused, after it has read the options */
    }
    return known;
  }

  function hasSimd() {
    // (func (result v128) i32.const 0 i8x16.splat)
    return WebAssembly.validate(
      new Uint8Array([
        0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11
      ])
    );
  }

  function missing() {
    var features = {
      Worker: 0,
      OffscreenCanvas: 0,
      createImageBitmap: 0,
      DecompressionStream: 0,
      ResizeObserver: 0,
      BigInt64Array: 0
    };
    for (var name in features) if (!(name in window)) return name;
    if (!('noModule' in document.createElement('script'))) return 'JavaScript modules';
    if (!hasModuleWorkers()) return 'module workers';
    return hasSimd() ? '' : 'WebAssembly SIMD';
  }

  function explain(address) {
    // why a script could not be loaded
    var path = new URL(address).pathname;
    fetch(address, { cache: 'no-store' }).then(
      function (answer) {
        var type = answer.headers.get('Content-Type') || '-';
        if (answer.ok && !/javascript|ecmascript/.test(type)) show('cannot_type', type);
        else show('cannot_load', path + (answer.ok ? '' : ': ' + answer.status));
      },
      function () {
        show('cannot_load', path);
      }
    );
  }

  function check() {
    if (location.protocol === 'file:') return show('cannot_file', 'python -m http.server');
    if (typeof WebAssembly !== 'object') return show('cannot_compute', 'WebAssembly');
    var lacking = missing();
    return lacking && show('cannot_old', lacking);
  }

  window.addEventListener(
    'error',
    function (event) {
      var element = /** @type {HTMLScriptElement} */ (event.target);
      if (element.localName === 'script') explain(element.src);
      else if (event.error && !start.done) show('cannot_start', event.message);
    },
    true
  ); // errors of elements do not bubble
  document.documentElement.className = 'scripted';
  return { check: check, problem: '', done: false };
})();
start.check();
