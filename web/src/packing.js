// Unpacking of what export/web/pack.py packs.

/**
 * Puts half-precision numbers together again.
 * @param {Uint8Array} parts everything else, then the high bytes of all such numbers, then their low bytes
 * @param {[start: number, length: number][]} halves where they are in the file, in bytes
 */
export function joinHalves(parts, halves) {
  const numbers = halves.reduce((sum, [, length]) => sum + length / 2, 0);
  const content = new Uint8Array(parts.length);
  let rest = 0;
  let high = parts.length - 2 * numbers;
  let at = 0;
  for (const [start, length] of halves) {
    content.set(parts.subarray(rest, rest + start - at), at);
    rest += start - at;
    at = start + length;
    for (let i = start; i < at; i += 2, high += 1) {
      content[i] = parts[high + numbers];
      content[i + 1] = parts[high];
    }
  }
  content.set(parts.subarray(rest, parts.length - 2 * numbers), at);
  return content;
}
