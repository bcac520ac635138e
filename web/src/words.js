// Objects by their names: which name a text asks for, and where the network finds it. The rules are those of
// mam/text/vocabulary.py, closed_set.py and regions.py; the build writes their words into vocabulary.js.

/** @import { Box, Photo, Size } from './types.d.ts' */

import { fullBox, isSame, maskBounds } from './boxes.js';
import { PIXEL_MEAN, PIXEL_STD } from './frames.js';
import { floats, run } from './onnx.js';
import { labelRegions } from './regions.js';
import { CUBIC, resize } from './resample.js';
import { VOCABULARY } from './vocabulary.js';

const SIDE = 640; // longest side of the images that the network was trained for
const STEP = 32; // both sides are a multiple of it
const FINE = 4; // places per place of a map, in both directions
const EXTENT = 0.1; // a region ends where the probability falls below this share of the map's peak
const NOT_LATIN = /(?!\p{Script=Latin})\p{L}/u;
const NEGATION = new RegExp(VOCABULARY.negation);
const PLURALS = [
  ['ies', 'y'],
  ['ves', 'fe'],
  ['ves', 'f'],
  ['es', ''],
  ['s', ''],
];

/** A text that cannot be searched for: the key of its explanation, and values for that. */
export class WordError extends Error {
  constructor(key, values = {}) {
    super(key);
    this.values = values;
  }
}

/**
 * The name that each phrase of a text asks for, and whether it is that name.
 * @type {(text: string) => { phrase: string, name: string, isExact: boolean }[]}
 */
export function readWords(text) {
  const phrases = text
    .toLowerCase()
    .split(/[.?]/)
    .map((part) => part.trim().replace(/\s+/g, ' '));
  const said = [...new Set(phrases.filter(Boolean))];
  if (!said.length) throw new WordError('describe_first');
  if (said.some((phrase) => NOT_LATIN.test(phrase))) throw new WordError('not_english');
  if (said.some((phrase) => NEGATION.test(phrase))) throw new WordError('negated');
  return said.flatMap(splitList).map((phrase) => {
    const name = nameFor(phrase);
    const own = wordsOf(phrase).filter((word) => !VOCABULARY.determiners.includes(word));
    return { phrase, name, isExact: singulars(own.join(' ')).includes(name) };
  });
}

/** "two cats and a dog" lists known nouns, "the man with cap and coat" does not. */
function splitList(phrase) {
  const parts = phrase.split(/[,;]|\band\b|\bor\b/).map((part) => part.trim());
  const isList = !wordsOf(phrase).some((word) => endsNoun(word) && !['and', 'or', 'of'].includes(word));
  return isList && parts.every((part) => nounAtEnd(wordsOf(part))) ? parts : [phrase];
}

/** The name of the noun that names the object. */
function nameFor(phrase) {
  let [part, last] = [[], []];
  for (const word of [...wordsOf(phrase), 'of']) {
    const noun = nounAtEnd(part);
    if (!endsNoun(word) && !(noun && mayEndNoun(word))) {
      part.push(word);
      continue;
    }
    if (noun) return VOCABULARY.nouns[noun];
    [part, last] = [[], part.length ? part : last];
    if (word !== 'of') break; // "a slice of pizza"
  }
  const unknown = last.filter((word) => !VOCABULARY.determiners.includes(word)).join(' ');
  throw new WordError('unknown_word', { word: unknown || phrase });
}

function nounAtEnd(words) {
  const ends = [2, 1].filter((length) => words.length >= length).map((length) => words.slice(-length).join(' '));
  return ends.flatMap(singulars).find((noun) => Object.hasOwn(VOCABULARY.nouns, noun));
}

const endsNoun = (word) => VOCABULARY.endsNoun.includes(word);

function mayEndNoun(word) {
  const isParticiple = word.endsWith('ing') || (word.endsWith('ed') && word.length > 4);
  return VOCABULARY.mayEndNoun.includes(word) || (isParticiple && !Object.hasOwn(VOCABULARY.nouns, word));
}

const wordsOf = (phrase) => phrase.replace(/['\u2019]s?\b/g, '').match(/\p{L}+/gu) || [];

function singulars(noun) {
  if (VOCABULARY.noPlurals.includes(noun)) return [noun];
  const found = PLURALS.filter(([plural]) => noun.endsWith(plural));
  return [noun, ...found.map(([plural, singular]) => noun.slice(0, noun.length - plural.length) + singular)];
}

/**
 * Boxes of the objects with these names, best first.
 * @type {(session: any, photo: Photo, names: string[]) => Promise<{ xy: Box, name: string, score: number }[]>}
 */
export async function findWords(session, photo, names) {
  const longest = Math.max(...photo.size);
  const size = /** @type {Size} */ (
    photo.size.map((side) => Math.max(STEP, Math.round((side * SIDE) / longest / STEP) * STEP))
  );
  const output = Object.values(await run(session, { image: floats(normalise(photo, size), [1, 3, ...size]) }))[0];
  const [, , h, w] = output.dims;
  const found = names.flatMap((name) => {
    const first = VOCABULARY.outputs.indexOf(name) * h * w;
    return boxesOf(output.data.subarray(first, first + h * w), [h, w], photo.size).map((box) => ({ ...box, name }));
  });
  return found.sort((one, other) => other.score - one.score);
}

/** The photo at a size, planes of red, green and blue. */
function normalise({ pixels, size: whole }, size) {
  const small = isSame(size, whole) ? pixels : resize(pixels, whole[1], fullBox(whole), size, CUBIC, 4);
  const count = size[0] * size[1];
  return Float32Array.from({ length: 3 * count }, (_, i) => {
    const band = Math.floor(i / count);
    return (small[4 * (i % count) + band] - PIXEL_MEAN[band]) / PIXEL_STD[band];
  });
}

/** One box per connected region around a peak, of logarithms of probabilities. */
function boxesOf(logs, [h, w], whole) {
  /** @type {Size} */
  const size = [FINE * h, FINE * w];
  const chances = enlarge(logs, [h, w], size).map(Math.exp);
  const peak = chances.reduce((one, other) => Math.max(one, other), 0);
  const { labels, count } = labelRegions(
    chances.map((chance) => Number(chance >= EXTENT * peak)),
    size,
  );
  const found = [];
  for (let number = 1; number < count; number += 1) {
    const score = labels.reduce((most, label, i) => (label === number ? Math.max(most, chances[i]) : most), 0);
    if (score <= VOCABULARY.threshold) continue;
    const bounds = maskBounds(
      Uint8ClampedArray.from(labels, (label) => (label === number ? 255 : 0)),
      size,
    );
    const xy = /** @type {Box} */ (bounds.map((value, i) => (value * whole[1 - (i % 2)]) / size[1 - (i % 2)]));
    found.push({ xy, score });
  }
  return found;
}

/** Bilinear enlargement; beyond the edges, the values there go on. */
function enlarge(values, [h, w], [height, width]) {
  const along = (count, length) =>
    Array.from({ length: count }, (_, i) => {
      const at = Math.min(Math.max(((i + 0.5) * length) / count - 0.5, 0), length - 1);
      const first = Math.floor(at);
      return { first, next: Math.min(first + 1, length - 1), share: at - first };
    });
  const [rows, columns] = [along(height, h), along(width, w)];
  return Float32Array.from({ length: height * width }, (_, i) => {
    const [row, column] = [rows[Math.floor(i / width)], columns[i % width]];
    const [above, below] = [row.first, row.next].map((y) => {
      const [left, right] = [values[y * w + column.first], values[y * w + column.next]];
      return left + column.share * (right - left);
    });
    return above + row.share * (below - above);
  });
}
