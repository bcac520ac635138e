// PNG files. A canvas would store premultiplied colours and lose those of faint pixels, so they are written here.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10], COLOUR_TYPES = { 1: 0, 2: 4, 3: 2, 4: 6 };
const SUB = 1; // the filter of every line: differences from the pixel to the left

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

// (h, w, bands) uint8 -> a Blob; 1 to 4 bands are grey, grey with alpha, RGB, RGBA, not premultiplied.
export async function encodePng(pixels, [h, w], bands) {
  const length = w * bands, lines = new Uint8Array(h * (length + 1));
  for (let y = 0; y < h; y += 1) {
    const from = y * length, to = y * (length + 1) + 1;
    lines[to - 1] = SUB;
    if (isZero(pixels, from, from + length)) continue; // as most of a cut-out
    for (let i = 0; i < bands; i += 1) lines[to + i] = pixels[from + i];
    for (let i = bands; i < length; i += 1) lines[to + i] = pixels[from + i] - pixels[from + i - bands];
  }
  const deflated = new Blob([lines]).stream().pipeThrough(new CompressionStream('deflate'));
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, w);
  header.setUint32(4, h);
  header.setUint8(8, 8); // bits
  header.setUint8(9, COLOUR_TYPES[bands]);
  const data = new Uint8Array(await new Response(deflated).arrayBuffer());
  return new Blob([new Uint8Array(SIGNATURE), chunk('IHDR', new Uint8Array(header.buffer)), chunk('IDAT', data), chunk('IEND', new Uint8Array(0))], { type: 'image/png' });
}

function isZero(values, from, to) {
  for (let i = from; i < to; i += 1) if (values[i]) return false;
  return true;
}

function chunk(name, data) {
  const bytes = new Uint8Array(12 + data.length), view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc(bytes) {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) value = CRC_TABLE[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
