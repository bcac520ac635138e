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

// The smallest box around a mask, a Patch, without its islands: regions under a tenth of it. Null for an empty mask.
export function boundsWithoutIslands(mask) {
  const { sampled, grid, step } = sample(mask);
  const { labels, count } = labelRegions(sampled, grid), areas = new Array(count).fill(0);
  labels.forEach((label) => { if (label) areas[label] += 1; });
  const total = areas.reduce((sum, area) => sum + area, 0), isIsland = areas.map((area) => area > 0 && area < ISLAND * total);
  if (isIsland.filter(Boolean).length === count - 1) return mask.isEmpty ? null : mask.box;
  const [x0, y0, x1, y1] = mask.box, width = x1 - x0;
  const kept = mask.values.map((value, i) => {
    const x = x0 + (i % width), y = y0 + Math.floor(i / width);
    return value && !isIsland[labels[Math.floor(y / step) * grid[1] + Math.floor(x / step)]] ? 1 : 0;
  });
  const bounds = maskBounds(kept, [y1 - y0, width]);
  return bounds && bounds.map((value, i) => value + (i % 2 ? y0 : x0));
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
