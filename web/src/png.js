// PNG files. A canvas would store premultiplied colours and lose those of faint pixels, so they are written here.

/** @import { Bytes, Size } from './types.d.ts' */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const COLOUR_TYPES = { 1: 0, 2: 4, 3: 2, 4: 6 }; // by bands: grey, grey with alpha, RGB, RGBA
const SUB = 1; // the filter of every line: differences from the pixel to the left

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @type {(pixels: Bytes, size: Size, bands: 1 | 2 | 3 | 4) => Promise<Blob>} */
export async function encodePng(pixels, [h, w], bands) {
  const length = w * bands;
  const lines = new Uint8Array(h * (length + 1));
  for (let y = 0, from = 0, to = 0; y < h; y += 1) {
    lines[to++] = SUB;
    for (let i = 0; i < length; i += 1) lines[to++] = pixels[from + i] - (i < bands ? 0 : pixels[from + i - bands]);
    from += length;
  }
  const deflated = new Blob([lines]).stream().pipeThrough(new CompressionStream('deflate'));
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, w);
  header.setUint32(4, h);
  header.setUint16(8, (8 << 8) | COLOUR_TYPES[bands]); // 8 bits
  const data = await new Response(deflated).arrayBuffer();
  const chunks = [chunk('IHDR', header.buffer), chunk('IDAT', data), chunk('IEND', new ArrayBuffer(0))];
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], { type: 'image/png' });
}

function chunk(name, data) {
  const bytes = new Uint8Array(12 + data.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.byteLength);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(new Uint8Array(data), 8);
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, -4)) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.byteLength, ~crc);
  return bytes;
}
