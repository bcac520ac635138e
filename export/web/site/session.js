// One open photo and its objects: answers to the canvas's messages. As demo/engine.py and demo/tabs/cut_out.py; the messages are
// described in demo/canvas/protocol.py.

import { maskMessage, matteMessage, photoMessage, previewImage, smallMask, smallAlpha } from './messages.js';
import { MODEL } from './model.js';
import { readPhoto } from './photo.js';
import { Prompt, PromptError } from './prompts.js';
import { Scene } from './scene.js';
import { text } from './texts.js';

const UNSURE = 0.7, KEPT_BYTES = 400e6;
const MAIN_OBJECT = [{ kind: 'main' }];

const hasForeground = (ops) => ops.some(({ kind, label }) => kind === 'main' || kind === 'box' || (kind !== 'candidate' && label === 1));
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

  // The reply that shows the photo; `ops` are prompts that an example needs.
  opened(ops) {
    const first = ops.length || !MODEL.policy.mainObject ? ops : MAIN_OBJECT;
    const document = { objects: [{ id: 1, name: text('object', { number: 1 }), visible: true, ops: first }], active: 1 };
    return { kind: 'photo', token: this.token, photo: this.message, document, note: this.photo.note, text: text('start') };
  }

  async segment(ops) {
    if (await this.isAnotherObject(ops)) return this.segment(ops.slice(1));
    return this.keep(keyOf('segment', ops), async () => {
      const last = ops[ops.length - 1], earlier = ops.slice(0, -1);
      if (last.kind === 'main') return this.scene.findMainObject();
      if (last.kind === 'candidate') return this.scene.alternatives(await this.segment(earlier))[last.index];
      const refines = hasForeground(earlier) && last.kind !== 'box'; // a box starts again
      return this.scene.segment(this.promptFrom(ops, refines ? await this.segment(earlier) : null));
    });
  }

  async matte(ops, byMask) {
    return this.keep(keyOf('matte', ops, byMask), async () => {
      const matte = await this.scene.refine(await this.segment(ops), byMask);
      return matte && { ...matte, small: smallAlpha(matte.alpha) };
    });
  }

  // What a click would give, as an image; null if there is nothing.
  async preview({ x, y, label, ops }) {
    const all = [...ops, { kind: 'point', xy: [x, y], label }], skip = await this.isAnotherObject(all) ? 1 : 0;
    const earlier = ops.slice(skip), previous = hasForeground(earlier) ? await this.segment(earlier) : null;
    if (!previous && !label) return null;
    const segment = await this.scene.segment(this.promptFrom(all.slice(skip), previous), false);
    return segment.isEmpty ? null : previewImage(segment);
  }

  // As `answer`, with masks in place of the mattes that are not there yet; null if all are. A mask takes a fraction of the time.
  async answerWithMasks({ objects, active, turn, have, touching }) {
    const reply = { kind: 'mattes', token: this.token, turn, mattes: {}, text: '', error: false }, known = new Set(have);
    let hasMasks = false;
    for (const { id, ops, visible } of objects) {
      if (!hasForeground(ops) || !(visible || id === active)) continue;
      const matte = this.kept.get(keyOf('matte', ops, touching)), key = keyOf(this.token, ops, touching), isSelected = id === active;
      if (matte) {
        reply.mattes[id] = await matteMessage(matte, this.photo, key, !known.has(key), isSelected);
      } else if (matte === undefined) {
        const segment = await this.segment(ops).catch(() => null); // `answer` reports it
        if (!segment || segment.isEmpty) continue;
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
      const matte = this.kept.get(keyOf('matte', ops, touching));
      const segment = matte === undefined && await this.segment(ops).catch(() => null); // `answer` reports it
      if (matte) found.push(matte);
      if (segment && !segment.isEmpty) found.push({ small: smallMask(segment.storedMask) });
    }
    return found;
  }

  async describe(name, ops, touching) {
    try {
      const matte = await this.matte(ops, touching), isUnsure = !matte || matte.segment.score < UNSURE;
      if (isMainObject(ops) && isUnsure) return [matte, text('not_sure'), false];
      if (!matte) return [null, text('nothing_there'), true];
      return [matte, text(isUnsure ? 'found_unsure' : 'found', { name }), false];
    } catch (error) {
      if (error instanceof PromptError) return [null, error.message, true];
      throw error;
    }
  }

  async isAnotherObject(ops) { // the first click is beside the main object
    if (ops.length < 2 || ops[0].kind !== 'main' || ops[1].kind !== 'point' || !ops[1].label) return false;
    const { storedMask } = await this.segment(ops.slice(0, 1)), [x, y] = ops[1].xy, [h, w] = this.photo.size;
    return x >= 0 && x <= w && y >= 0 && y <= h && !storedMask.at(Math.min(Math.trunc(x), w - 1), Math.min(Math.trunc(y), h - 1));
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
