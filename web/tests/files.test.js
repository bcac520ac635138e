import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';

import { joinHalves } from '../src/packing.js';
import { encodePng } from '../src/png.js';

test('PNG files hold what was written', async () => {
  const colourTypes = [0, 4, 2, 6];
  for (const bands of [1, 2, 3, 4]) {
    const pixels = Uint8ClampedArray.from({ length: 13 * 29 * bands }, (_, i) => (i * 7919) % 251);
    const file = Buffer.from(await (await encodePng(pixels, [13, 29], bands)).arrayBuffer());
    assert.deepEqual(
      [file.readUInt32BE(16), file.readUInt32BE(20), file[24], file[25]],
      [29, 13, 8, colourTypes[bands - 1]],
    );
    assert.equal(file.subarray(-12).toString('hex'), '0000000049454e44ae426082', 'the end, with its checksum');
    const lines = inflateSync(file.subarray(41, 41 + file.readUInt32BE(33)));
    const found = pixels.map((_, i) => {
      const [y, x] = [Math.floor(i / (29 * bands)), i % (29 * bands)];
      let value = 0;
      for (let at = x; at >= 0; at -= bands) value += lines[y * (29 * bands + 1) + 1 + at];
      return value & 255;
    });
    assert.deepEqual(found, pixels);
  }
});

test('half-precision numbers are put together again', () => {
  const parts = Uint8Array.of(1, 2, 3, 20, 21, 22, 10, 11, 12); // the rest, high bytes, low bytes
  assert.deepEqual(
    [
      ...joinHalves(parts, [
        [1, 4],
        [6, 2],
      ]),
    ],
    [1, 10, 20, 11, 21, 2, 12, 22, 3],
  );
});

test('files that a browser cannot decode are told apart by their first bytes', async () => {
  Object.assign(globalThis, { navigator: { language: 'fr' }, TEXTS: { en: {} } });
  const { reasonFor } = await import('../src/photo.js');
  const heic = await readFile(new URL('../../tests/reference/gradient.heic', import.meta.url));
  const cases = [
    [Buffer.from('no picture'), 'no_image'],
    [Buffer.alloc(0), 'no_image'],
    [heic.subarray(0, 16), 'cannot_decode'],
    [Buffer.from('II*\0'), 'cannot_decode'],
    [Buffer.from([0xff, 0xd8, 0xff, 0xe0]), 'damaged'],
    [Buffer.from('\x89PNG', 'latin1'), 'damaged'],
  ];
  for (const [start, reason] of cases) assert.equal(reasonFor(start), reason);
});
