// What a prompt may have meant instead of its answer: parts of it, and what contains it.

/** @import { Segment } from './types.d.ts' */

import { thin } from './regions.js';

const SAME = 0.9; // IoU from which two answers look the same
const WITHIN = 0.9; // of the smaller mask lies in the larger one
const SMALLEST = 0.02; // of the answer's area
const LIKELY = 0.5; // least predicted IoU
const MOST = 3;
const PARTS = ['part', 'larger_part'];
const LARGER = ['whole', 'more'];

/**
 * Answers by their names that differ from one another and from the given one; candidates are read as far as needed.
 * @type {(answer: Segment, parts: AsyncIterable<Segment>, larger: AsyncIterable<Segment>) => Promise<Record<string, Segment>>}
 */
export async function chooseAlternatives(answer, parts, larger) {
  const shown = [thin(answer.mask)];
  const inside = await distinct(shown, parts, true, PARTS.length);
  const beyond = await distinct(shown, larger, false, Math.min(LARGER.length, MOST - inside.length));
  const named = [PARTS, LARGER].flatMap((names, i) =>
    [inside, beyond][i].sort((one, other) => one.area - other.area).map(({ segment }, k) => [names[k], segment]),
  );
  return Object.fromEntries(named);
}

/** Up to `most` parts of the first mask that is shown, or what contains it; they join those shown. */
async function distinct(shown, candidates, isPart, most) {
  const found = [];
  const [answer] = shown;
  for await (const segment of candidates) {
    const mask = thin(segment.mask);
    const [smaller, larger] = isPart ? [mask, answer] : [answer, mask];
    const fits = common(mask, answer) >= WITHIN * count(smaller) && count(smaller) > SMALLEST * count(larger);
    if (fits && segment.scores[segment.chosen] >= LIKELY && shown.every((other) => overlap(mask, other) < SAME)) {
      shown.push(mask);
      found.push({ segment, area: count(mask) });
    }
    if (found.length === most) break;
  }
  return found;
}

const count = (mask) => mask.filter(Boolean).length;
const common = (one, other) => one.filter((value, i) => value && other[i]).length;

function overlap(one, other) {
  const both = common(one, other);
  return both / Math.max(1, count(one) + count(other) - both);
}
