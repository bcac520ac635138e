// One open photo and its objects: answers to the canvas's messages, which demo/canvas/protocol.py describes.

/** @import { Matte, Op, Photo, PromptMessage, SceneObject, Segment } from './types.d.ts' */

import { isDoubtful } from './decoding.js';
import { matteMessage, offerMessages, previewImage, shrinkAlpha } from './messages.js';
import { MODEL } from './model.js';
import { readPhoto } from './photo.js';
import { Prompt, PromptError } from './prompts.js';
import { areApart, pixelAt } from './regions.js';
import { Scene } from './scene.js';
import { text } from './texts.js';

const KEPT_BYTES = 150e6;
/** @type {Op[]} */
export const MAIN_OBJECT = [{ kind: 'main' }];
/** @type {Op} */
const KEPT = { kind: 'candidate', name: '' }; // the answer as it is, to which later clicks add

const hasForeground = (ops) =>
  ops.some(
    ({ kind, label }) => ['main', 'box'].includes(kind) || (['point', 'scribble'].includes(kind) && label === 1),
  );
const promptsOf = (ops) => ops.filter(({ kind }) => kind !== 'paint');
const strokesOf = (ops) => ops.filter(({ kind }) => kind === 'paint');
const keyOf = (...parts) => JSON.stringify(parts);

export class Session {
  /** @type {Scene | null} */
  scene = null;
  kept = new Map(); // segments and mattes, the newest last, so that undo answers at once
  keptBytes = 0;
  making = new Map(); // promises of those that are being computed

  /**
   * Decodes a photo; `loading` is a promise of the graphs.
   * @type {(loading: Promise<any>, file: Blob, name: string, token: string, mostPixels: number) => Promise<Session>}
   */
  static async open(loading, file, name, token, mostPixels) {
    return new Session(loading, await readPhoto(file, name, mostPixels), token);
  }

  /** Use `open`. @param {Promise<any>} loading @param {Photo} photo @param {string} token */
  constructor(loading, photo, token) {
    this.loading = loading;
    this.photo = photo;
    this.token = token;
  }

  /** Encodes the photo, once the graphs are there; the canvas shows it meanwhile. */
  async encode() {
    this.scene ||= await Scene.open(await this.loading, this.photo);
  }

  /** The reply that shows the photo. `ops` are prompts of an example, `kept` is a document that the visitor had before. */
  opened(ops, kept, opening) {
    const { size, source, note } = this.photo;
    const first = ops.length || !MODEL.policy.mainObject ? ops : MAIN_OBJECT;
    const name = text('object', { number: 1 });
    const document = kept || { objects: [{ id: 1, name, visible: true, ops: first }], active: 1 };
    const photo = { width: size[1], height: size[0], source };
    return { kind: 'photo', opening, token: this.token, photo, document, note, text: text('start') };
  }

  /** @type {(ops: Op[]) => Promise<Segment>} */
  async segment(ops) {
    const [likeliest] = await this.readings(ops);
    if (likeliest !== ops) return this.segment(likeliest);
    return this.keep(keyOf('segment', ops), async () => {
      const last = ops[ops.length - 1];
      const earlier = ops.slice(0, -1);
      if (last.kind === 'main') return this.scene.findMainObject();
      if (last.kind === 'candidate') {
        const others = last.name ? await this.alternatives(earlier) : {};
        return others[last.name] || this.segment(earlier);
      }
      const refines = hasForeground(earlier) && last.kind !== 'box'; // a box starts again
      return this.scene.segment(this.promptFrom(ops, refines ? await this.segment(earlier) : null));
    });
  }

  /** What the model answers to the prompts, with all strokes on top. @type {(ops: Op[], byMask: boolean) => Promise<Matte | null>} */
  async matte(ops, byMask) {
    return this.keep(keyOf('matte', ops, byMask), async () => {
      const own = await this.ownOps(ops);
      const prompts = promptsOf(own);
      if (own !== ops || prompts.length < own.length) {
        const before = own[own.length - 1].kind === 'paint' && this.kept.get(keyOf('matte', own.slice(0, -1), byMask));
        return this.paint(before || (await this.matte(prompts, byMask)), before ? own.slice(-1) : strokesOf(own));
      }
      const segment = await this.segment(ops);
      if (!segment.mask.box) return null;
      const alpha = await this.scene.refine(segment, byMask);
      return alpha.some(Boolean) ? this.shown({ segment, alpha }) : null; // the photo may be transparent there
    });
  }

  paint(matte, strokes) {
    return matte && strokes.length ? this.shown({ ...matte, ...this.scene.painted(matte, strokes) }) : matte;
  }

  /** @returns {Matte} */
  shown(matte) {
    return { ...matte, small: shrinkAlpha(matte.alpha, this.photo.size) };
  }

  /** A matte that is known, else the mask in place of it; null if there is none. @type {(ops: Op[], byMask: boolean) => Promise<Matte | null>} */
  async draft(ops, byMask) {
    const isKnown = [ops, promptsOf(ops)].some((some) => this.kept.get(keyOf('matte', some, byMask)) !== undefined);
    if (isKnown) return this.matte(ops, byMask);
    const segment = await this.segment(promptsOf(ops)).catch(() => null); // the matte reports it
    if (!segment || !segment.mask.box) return null;
    const matte = this.shown({ segment, alpha: segment.mask.values, isDraft: true });
    return this.paint(matte, strokesOf(await this.ownOps(ops)));
  }

  /** What a click would give, as an image; null if there is nothing. */
  async preview({ x, y, label, ops }) {
    const [meant] = await this.readings([...promptsOf(ops), { kind: 'point', xy: [x, y], label }]);
    const earlier = meant.slice(0, -1);
    const previous = hasForeground(earlier) ? await this.segment(earlier) : null;
    if (!previous && !label) return null;
    const segment = await this.scene.segment(this.promptFrom(meant, previous));
    return segment.mask.box ? previewImage(segment) : null;
  }

  /**
   * Mattes of all visible objects, and a line about the selected one. As a draft, with masks in place of the mattes that
   * are not there yet, which takes a fraction of the time; null if all are there.
   * @type {(message: PromptMessage, isDraft?: boolean) => Promise<any>}
   */
  async answer({ objects, active, turn, have, touching }, isDraft = false) {
    const mattes = {};
    const reply = { kind: 'mattes', token: this.token, turn, mattes, text: isDraft ? '' : text('start'), error: false };
    let hasDrafts = false;
    for (const { id, name, ops, visible } of objects) {
      const isSelected = id === active;
      if (!hasForeground(ops)) {
        if (ops.length && isSelected && !isDraft) reply.text = text('only_removes');
        continue;
      }
      if (!visible && !isSelected) continue;
      const { matte, ...line } = await this.describe(name, ops, touching, isDraft);
      if (matte) {
        const key = matte.isDraft ? keyOf(this.token, ops) : keyOf(this.token, ops, touching);
        mattes[id] = await matteMessage(matte, key, !have.includes(key));
        hasDrafts ||= matte.isDraft;
      }
      if (isSelected) Object.assign(reply, line);
    }
    return isDraft && !hasDrafts ? null : reply;
  }

  /**
   * Mattes, or drafts, of the objects that are shown. What is wrong with one object's prompts is reported by `answer`;
   * the others stay.
   * @type {(objects: SceneObject[], touching: boolean, isDraft?: boolean) => Promise<Matte[]>}
   */
  async mattes(objects, touching, isDraft = false) {
    const found = [];
    for (const { ops, visible } of objects) {
      if (!visible || !hasForeground(ops)) continue;
      const { matte } = await this.describe('', ops, touching, isDraft);
      if (matte) found.push(matte);
    }
    return found;
  }

  /** A matte and the line about it, or a draft alone. @returns {Promise<{ matte: Matte | null, text?: string, error?: boolean }>} */
  async describe(name, ops, touching, isDraft) {
    if (isDraft) return { matte: await this.draft(ops, touching) };
    try {
      const matte = await this.matte(ops, touching);
      const isMainObject = ops.length === 1 && ops[0].kind === 'main';
      if (!matte) return { matte, text: text('nothing_there'), error: !isMainObject };
      const isUnsure = isDoubtful(matte.segment);
      if (isUnsure && isMainObject) return { matte, text: text('not_sure'), error: false };
      return { matte, text: text(isUnsure ? 'found_unsure' : 'found', { name }), error: false };
    } catch (error) {
      if (error instanceof PromptError) return { matte: null, text: error.message, error: true };
      throw error;
    }
  }

  /** What the operations most likely mean, without strokes on an object that they replaced. */
  async ownOps(ops) {
    const prompts = promptsOf(ops);
    const [meant] = await this.readings(prompts);
    if (meant === prompts) return ops;
    return meant[0].kind === 'main' ? [ops[0], KEPT, ...ops.slice(1)] : ops.slice(ops.indexOf(prompts[1]));
  }

  /** The operations that these may stand for, the likelier first; two if a first click beside the main object is ambiguous. */
  async readings(ops) {
    if (ops.length < 2 || ops[0].kind !== 'main' || ops[1].kind !== 'point' || !ops[1].label) return [ops];
    const { mask } = await this.segment(ops.slice(0, 1));
    const [x, y] = ops[1].xy;
    const [h, w] = this.photo.size;
    const [column, row] = pixelAt([x, y], [h, w]);
    if (x < 0 || x > w || y < 0 || y > h || mask.values[row * w + column]) return [ops];
    const only = ops.slice(1);
    const clicked = await this.segment(only.slice(0, 1));
    return areApart(mask, clicked.mask) ? [only] : [[ops[0], KEPT, ...only], only];
  }

  /** @returns {Promise<Record<string, Segment>>} */
  alternatives(ops, isLate = () => false) {
    return this.keep(keyOf('others', ops), async () => this.scene.alternatives(await this.segment(ops), isLate));
  }

  /** Pictures of what else the prompts of an object may mean. @type {(prompts: Op[], isLate: () => boolean) => Promise<object[]>} */
  async offers(prompts, isLate) {
    const [likeliest, other] = prompts.length === 2 ? await this.readings(prompts) : [prompts];
    const answer = await this.segment(likeliest);
    const found = other ? { add: answer, only: await this.segment(other) } : await this.alternatives(likeliest, isLate);
    return offerMessages(answer, found, this.photo);
  }

  promptFrom(ops, previous) {
    const of = (kind) => ops.filter((op) => op.kind === kind);
    const [boxes, points, scribbles] = ['box', 'point', 'scribble'].map(of);
    const box = boxes.length ? boxes[boxes.length - 1].xy : null;
    const [labels, scribbleLabels] = [points, scribbles].map((some) => some.map(({ label }) => label));
    const given = { box, points: points.map(({ xy }) => xy), labels, scribbles: scribbles.map(({ xy }) => xy) };
    return new Prompt({ ...given, scribbleLabels, previous }, this.photo.size);
  }

  async keep(key, make) {
    let value = this.kept.get(key);
    if (value === undefined) {
      if (!this.making.has(key))
        this.making.set(
          key,
          make().finally(() => this.making.delete(key)),
        );
      value = await this.making.get(key);
    }
    if (!this.kept.delete(key)) this.keptBytes += bytesOf(value);
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
  if (!value.alpha && !value.mask) return Object.values(value).reduce((sum, one) => sum + bytesOf(one), 0); // alternatives
  const { alpha, small, ownColours, mask, lowResMasks } = value;
  const arrays = [alpha, small && small.values, ownColours, mask && mask.values, lowResMasks];
  return arrays.reduce((sum, array) => sum + (array ? array.byteLength : 0), 0);
}
