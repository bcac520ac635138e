// Connected regions of a mask. As mam/masks/components.py.

import { maskBounds } from './boxes.js';
import { dilate } from './pillow.js';

const GRID = 256, ISLAND = 0.1, GAP = 5;

// Number the regions of (h, w) cells that are connected by their sides: 0 outside, 1, 2, ... Returns {labels, count}.
export function labelRegions(mask, [h, w]) {
  const labels = new Int32Array(h * w), waiting = [];
  let count = 0;
  for (let start = 0; start < labels.length; start += 1) {
    if (!mask[start] || labels[start]) continue;
    count += 1;
    labels[start] = count;
    waiting.push(start);
    while (waiting.length) {
      const cell = waiting.pop(), x = cell % w;
      const around = [cell - w, cell + w, x > 0 ? cell - 1 : -1, x < w - 1 ? cell + 1 : -1];
      for (const next of around) {
        if (next < 0 || next >= labels.length || !mask[next] || labels[next]) continue;
        labels[next] = count;
        waiting.push(next);
      }
    }
  }
  return { labels, count: count + 1 };
}

// The smallest box around a mask, a Patch, without its islands, the regions under a tenth of it; null for an empty mask.
export function boundsWithoutIslands(mask) {
  const { sampled, grid, step } = sample(mask), { labels, count } = labelRegions(sampled, grid), areas = new Array(count).fill(0);
  labels.forEach((label) => { if (label) areas[label] += 1; });
  const least = ISLAND * Math.max(1, areas.reduce((sum, area) => sum + area, 0));
  const bounds = maskBounds(Uint8Array.from(labels, (label) => (areas[label] >= least ? 1 : 0)), grid), [h, w] = mask.size;
  if (!bounds) return mask.isEmpty ? null : mask.box;
  return bounds.map((value, i) => Math.min(value * step, i % 2 ? h : w));
}

// Whether two masks, Patches of one image, are separate objects.
export function areApart(one, other) {
  const { sampled, grid } = sample(one), grown = dilate(sampled, grid, GAP);
  return !sample(other).sampled.some((value, i) => value && grown[i]);
}

function sample(mask) {
  const [h, w] = mask.size, step = Math.max(1, Math.ceil(Math.max(h, w) / GRID)), grid = [Math.ceil(h / step), Math.ceil(w / step)];
  const at = (_, i) => mask.at((i % grid[1]) * step, Math.floor(i / grid[1]) * step);
  return { sampled: Uint8Array.from({ length: grid[0] * grid[1] }, at), grid, step };
}
