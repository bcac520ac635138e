// The hidden frame of mam.js: it passes messages between another page and the worker.

import { PLAIN } from './composition.js';
import { text } from './texts.js';

const MOST_PIXELS = 24e6;

addEventListener('message', ({ data, ports: [port] }) => {
  if (data !== 'mam' || !port) return;
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data: reply }) => {
    if (reply.kind === 'ready') port.postMessage({ ready: true });
    if (reply.kind === 'broken') port.postMessage({ error: text(reply.key, { reason: reply.reason }) });
    if (reply.kind === 'answer') port.postMessage(reply);
  };
  worker.onerror = () => port.postMessage({ error: text('stopped') });
  port.onmessage = ({ data: { style, ...message } }) =>
    worker.postMessage({
      ...message,
      kind: 'cut',
      style: { ...PLAIN, ...style, placement: { ...PLAIN.placement, ...style.placement } },
    });
  worker.postMessage({ kind: 'start', mostPixels: MOST_PIXELS });
});
