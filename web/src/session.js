// One open photo and its objects: answers to the canvas's messages. As demo/engine.py and demo/tabs/cut_out.py; the messages are
// described in demo/canvas/protocol.py.

import { areApart } from './components.js';
import { maskMessage, matteMessage, photoMessage, previewImage, readingMessages, smallMask, smallAlpha } from './messages.js';
import { MODEL } from './model.js';
import { readPhoto } from './photo.js';
import { Prompt, PromptError } from './prompts.js';
import { Scene } from './scene.js';
import { text } from './texts.js';

const KEPT_BYTES = 400e6;
const MAIN_OBJECT = [{ kind: 'main' }], KEPT = { kind: 'candidate', index: 0 }; // the answer as it is, to which later clicks add

const hasForeground = (ops) => ops.some(({ kind, label }) => kind === 'main' || kind === 'box' || ((kind === 'point' || kind === 'scribble') && label === 1));
const promptsOf = (ops) => ops.filter(({ kind }) => kind !== 'paint'), strokesOf = (ops) => ops.filter(({ kind }) => kind === 'paint');
const keyOf = (...parts) => JSON.stringify(parts);
const isMainObject = (ops) => ops.length === 1 && ops[0].kind === 'main';

export class Session {
  // Decodes a photo; `loading` is a promise of the graphs. Throws a PhotoError with a text for the visitor.
  static async open(loading, file, name, token, mostPixels) {
    const session = new Session();
    const photo = await readPhoto(file, name, mostPixels);
    const message = await photoMessage(photo);
    Object.assign(session, { loading, token, photo, message, scene: null, kept: new Map(), making: new Map(), keptBytes: 0 });
    return session;
  }

  // Encodes the photo, once the graphs are there; the canvas shows it meanwhile.
  async encode() {
    if (!this.scene) this.scene = await Scene.open(await this.loading, this.photo);
  }

  // The reply that shows the photo. `ops` are prompts that an example needs, `kept` is a document that the visitor had before.
  opened(ops, kept, opening) {
    const first = ops.length || !MODEL.policy.mainObject ? ops : MAIN_OBJECT;
    const document = kept || { objects: [{ id: 1, name: text('object', { number: 1 }), visible: true, ops: first }], active: 1 };
    return { kind: 'photo', opening, token: this.token, photo: this.message, document, note: this.photo.note, text: text('start') };
  }

  async segment(ops) {
    const [likeliest] = await this.readings(ops);
    if (likeliest !== ops) return this.segment(likeliest);
    return this.keep(keyOf('segment', ops), async () => {
      const last = ops[ops.length - 1], earlier = ops.slice(0, -1);
      if (last.kind === 'main') return this.scene.findMainObject();
      if (last.kind === 'candidate' && !last.index) return this.segment(earlier);
      if (last.kind === 'candidate') return this.scene.alternatives(await this.segment(earlier))[last.index];
      const refines = hasForeground(earlier) && last.kind !== 'box'; // a box starts again
      return this.scene.segment(this.promptFrom(ops, refines ? await this.segment(earlier) : null));
    });
  }

  // What the model answers to the prompts, with all strokes on top.
  async matte(ops, byMask) {
    return this.keep(keyOf('matte', ops, byMask), async () => {
      const own = await this.ownOps(ops), prompts = promptsOf(own), last = own[own.length - 1];
      const before = last.kind === 'paint' && this.kept.get(keyOf('matte', own.slice(0, -1), byMask));
      const answer = before || await (own === ops && prompts.length === ops.length ? this.refine(ops, byMask) : this.matte(prompts, byMask));
      const strokes = before ? [last] : strokesOf(own), matte = answer && strokes.length ? this.scene.painted(answer, strokes) : answer;
      return matte && { ...matte, small: smallAlpha(matte.alpha) };
    });
  }

  async refine(prompts, byMask) {
    return this.scene.refine(await this.segment(prompts), byMask);
  }

  // A matte that is known, or a known one with strokes; undefined if it takes longer.
  async knownMatte(ops, byMask) {
    const known = this.kept.get(keyOf('matte', ops, byMask));
    if (known !== undefined || this.kept.get(keyOf('matte', promptsOf(ops), byMask)) === undefined) return known;
    return this.matte(ops, byMask);
  }

  // The mask with all strokes on top; null if there is none.
  async mask(ops) {
    const segment = await this.segment(promptsOf(ops)).catch(() => null); // `answer` reports it
    if (!segment || segment.isEmpty) return null;
    const strokes = strokesOf(await this.ownOps(ops)), { storedMask } = segment;
    if (!strokes.length) return segment;
    const { alpha } = this.scene.painted({ alpha: storedMask.map((values) => Float32Array.from(values)) }, strokes);
    return Object.assign(Object.create(segment), { storedMask: alpha.map((values) => Uint8Array.from(values, (value) => (value > 0.5 ? 1 : 0))) });
  }

  // What a click would give, as an image; null if there is nothing.
  async preview({ x, y, label, ops }) {
    const [meant] = await this.readings([...promptsOf(ops), { kind: 'point', xy: [x, y], label }]), earlier = meant.slice(0, -1);
    const previous = hasForeground(earlier) ? await this.segment(earlier) : null;
    if (!previous && !label) return null;
    const segment = await this.scene.segment(this.promptFrom(meant, previous));
    return segment.isEmpty ? null : previewImage(segment);
  }

  // As `answer`, with masks in place of the mattes that are not there yet; null if all are. A mask takes a fraction of the time.
  async answerWithMasks({ objects, active, turn, have, touching }) {
    const reply = { kind: 'mattes', token: this.token, turn, mattes: {}, text: '', error: false }, known = new Set(have);
    let hasMasks = false;
    for (const { id, ops, visible } of objects) {
      if (!hasForeground(ops) || !(visible || id === active)) continue;
      const matte = await this.knownMatte(ops, touching), key = keyOf(this.token, ops, touching), isSelected = id === active;
      if (matte) {
        reply.mattes[id] = await matteMessage(matte, this.photo, key, !known.has(key), isSelected);
      } else if (matte === undefined) {
        const segment = await this.mask(ops);
        if (!segment) continue;
        reply.mattes[id] = await maskMessage(segment, this.photo, keyOf(this.token, ops), isSelected);
        hasMasks = true;
      }
    }
    return hasMasks ? reply : null;
  }

  // Mattes of all visible objects, and a line about the selected one.
  async answer({ objects, active, turn, have, touching }) {
    const reply = { kind: 'mattes', token: this.token, turn, mattes: {}, text: text('start'), error: false }, known = new Set(have);
    for (const { id, name, ops, visible } of objects) {
      const isSelected = id === active;
      if (!hasForeground(ops)) {
        if (ops.length && isSelected) reply.text = text('only_removes');
        continue;
      }
      if (!visible && !isSelected) continue;
      const [matte, line, failed] = await this.describe(name, ops, touching);
      if (matte) {
        const key = keyOf(this.token, ops, touching);
        reply.mattes[id] = await matteMessage(matte, this.photo, key, !known.has(key), isSelected);
        const readings = isSelected && await this.readingMessages(ops);
        if (readings) reply.mattes[id].candidates = readings;
      }
      if (isSelected) Object.assign(reply, { text: line, error: failed });
    }
    return reply;
  }

  // Mattes of the objects that are shown. What is wrong with one object's prompts was reported by `answer`; the others stay.
  async mattes(objects, touching) {
    const found = [];
    for (const { ops, visible } of objects) {
      if (visible && hasForeground(ops)) found.push(await this.matte(ops, touching).catch((error) => { if (!(error instanceof PromptError)) throw error; }));
    }
    return found.filter(Boolean);
  }

  // What previews need of the same objects, with masks in place of the mattes that are not there yet.
  async drafts(objects, touching) {
    const found = [];
    for (const { ops, visible } of objects) {
      if (!visible || !hasForeground(ops)) continue;
      const matte = await this.knownMatte(ops, touching), segment = matte === undefined && await this.mask(ops);
      if (matte) found.push(matte);
      if (segment) found.push({ small: smallMask(segment.storedMask) });
    }
    return found;
  }

  async describe(name, ops, touching) {
    try {
      const matte = await this.matte(ops, touching), isUnsure = !matte || matte.segment.isDoubtful;
      if (isMainObject(ops) && isUnsure) return [matte, text('not_sure'), false];
      if (!matte) return [null, text('nothing_there'), true];
      return [matte, text(isUnsure ? 'found_unsure' : 'found', { name }), false];
    } catch (error) {
      if (error instanceof PromptError) return [null, error.message, true];
      throw error;
    }
  }

  // What the operations most likely mean, without strokes on an object that they replaced.
  async ownOps(ops) {
    const prompts = promptsOf(ops), [meant] = await this.readings(prompts);
    if (meant === prompts) return ops;
    return meant[0].kind === 'main' ? [ops[0], KEPT, ...ops.slice(1)] : ops.slice(ops.indexOf(prompts[1]));
  }

  // The operations that these may stand for, the likelier first; two if a first click beside the main object is ambiguous.
  async readings(ops) {
    if (ops.length < 2 || ops[0].kind !== 'main' || ops[1].kind !== 'point' || !ops[1].label) return [ops];
    const { storedMask } = await this.segment(ops.slice(0, 1)), [x, y] = ops[1].xy, [h, w] = this.photo.size;
    const isBeside = x >= 0 && x <= w && y >= 0 && y <= h && !storedMask.at(Math.min(Math.trunc(x), w - 1), Math.min(Math.trunc(y), h - 1));
    if (!isBeside) return [ops];
    const only = ops.slice(1), clicked = await this.segment(only.slice(0, 1));
    return areApart(storedMask, clicked.storedMask) ? [only] : [[ops[0], KEPT, ...only], only];
  }

  async readingMessages(ops) { // null if the operations are clear
    const readings = ops.length === 2 ? await this.readings(ops) : [];
    if (readings.length < 2) return null;
    const [add, only] = await Promise.all(readings.map((reading) => this.segment(reading)));
    return readingMessages({ add, only }, this.photo);
  }

  promptFrom(ops, previous) {
    const of = (kind) => ops.filter((op) => op.kind === kind), boxes = of('box'), points = of('point'), scribbles = of('scribble');
    return new Prompt({
      box: boxes.length ? boxes[boxes.length - 1].xy : null,
      points: points.map(({ xy }) => xy), labels: points.map(({ label }) => label),
      scribbles: scribbles.map(({ xy }) => xy), scribbleLabels: scribbles.map(({ label }) => label), previous,
    }, this.photo.size);
  }

  async keep(key, make) { // the newest values, so that undo answers at once
    if (this.kept.get(key) === undefined) {
      if (!this.making.has(key)) this.making.set(key, make().finally(() => this.making.delete(key)));
      const made = await this.making.get(key);
      if (this.kept.get(key) === undefined) this.keptBytes += bytesOf(made);
      this.kept.set(key, made);
    }
    const value = this.kept.get(key);
    this.kept.delete(key);
    this.kept.set(key, value);
    while (this.keptBytes > KEPT_BYTES && this.kept.size > 4) {
      const [oldest, dropped] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      this.keptBytes -= bytesOf(dropped);
    }
    return value;
  }
}

function bytesOf(value) {
  if (!value) return 0;
  return value.alpha ? value.alpha.values.byteLength + value.small.values.byteLength : value.storedMask.values.byteLength + value.lowResMasks.byteLength;
}
