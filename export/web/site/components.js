// Connected regions of a mask. As mam/masks/components.py.

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
