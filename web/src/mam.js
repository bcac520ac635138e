// For other pages: cuts objects out in the visitor's browser, by a hidden frame of this site. See mam.d.ts.

let frame = null; // a promise of the port to it, and where it is from
let number = 0;
let last = null; // the photo that the frame has

export async function open(photo, { site = new URL('.', import.meta.url).href } = {}) {
  if (!frame || frame.site !== site)
    frame = { site, port: connect(new URL('embed.html', new URL(site, location.href)).href) };
  const port = await frame.port;
  const opened = {
    async cutOut({ boxes = [], points = [], form = 'png', style = {} } = {}) {
      const ops = [
        ...boxes.map((xy) => ({ kind: 'box', xy })),
        ...points.map(({ x, y, add = true }) => ({ kind: 'point', xy: [x, y], label: Number(add) })),
      ];
      const file = last === opened ? null : photo;
      last = opened;
      return ask(port, { file, ops: ops.length ? ops : undefined, form: `format_${form}`, style });
    },
  };
  return opened;
}

function connect(address) {
  const element = document.createElement('iframe');
  Object.assign(element, { src: address, hidden: true, title: 'Matting Anything' });
  document.body.append(element);
  return new Promise((resolve, reject) => {
    element.onload = () => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => (data.ready ? resolve(port1) : reject(new Error(data.error)));
      element.contentWindow.postMessage('mam', new URL(address).origin, [port2]);
    };
  });
}

function ask(port, message) {
  number += 1;
  const id = number;
  return new Promise((resolve, reject) => {
    port.addEventListener('message', function answered({ data }) {
      if (data.id !== id) return;
      port.removeEventListener('message', answered);
      if (data.error) reject(new Error(data.error));
      else resolve(data.value); // null: nothing was found
    });
    port.postMessage({ ...message, id });
  });
}
