// One encoded photo: from prompts to mattes.

/** @import { Box, Bytes, Matte, Op, Photo, Segment } from './types.d.ts' */

import { chooseAlternatives } from './alternatives.js';
import { fullBox, isSame, padBox, place, sizeOf, tabulate } from './boxes.js';
import { cleanUp } from './cleanup.js';
import { obeyClicks } from './clicks.js';
import { chooseCrop, cropAroundClick, enlarge, isCutOff } from './crops.js';
import { candidatesOf, correct, decodePrompt } from './decoding.js';
import { Frame, toInputImage } from './frames.js';
import { paint } from './painting.js';
import { Prompt } from './prompts.js';

const CROPS_KEPT = 2;

export class Scene {
  /** @type {(graphs: any, photo: Photo) => Promise<Scene>} */
  static async open(graphs, photo) {
    const scene = new Scene(graphs, photo);
    await scene.encoded(scene.whole);
    return scene;
  }

  /** Use `open`. @param {any} graphs @param {Photo} photo */
  constructor(graphs, photo) {
    this.graphs = graphs;
    this.photo = photo;
    this.whole = fullBox(photo.size);
    /** @type {{ frame: Frame, inputImage: Float32Array, features: object }[]} */
    this.kept = []; // the whole photo, then the newest crops
  }

  /** The answer to the empty prompt, for a model that has learnt it. */
  async findMainObject() {
    const prompt = new Prompt({}, this.photo.size);
    return this.improve(prompt, await this.decode(prompt, this.whole));
  }

  /** @param {Prompt} given */
  async segment(given) {
    const prompt = this.asksAgain ? given.boxed(given.previous) : given;
    return this.improve(prompt, await this.decode(prompt, this.cropFor(prompt)));
  }

  /** Whether the decoder is asked again with the box around its own answer. */
  get asksAgain() {
    const { cropMargin, multimask } = this.graphs.policy;
    return cropMargin !== null && !multimask;
  }

  /** Asks again where an answer shows that another crop or prompt gives a better one. */
  async improve(prompt, first) {
    let found = await this.complete(prompt, await this.zoomOnClick(prompt, first));
    if (this.asksAgain && prompt.isVague && found.mask.box) {
      const again = prompt.boxed(found);
      const better = await this.complete(again, await this.decode(again, this.cropFor(again)));
      if (better.mask.box) found = better;
    }
    return prompt.previous ? correct(found, prompt.previous, prompt.hasOwnBox) : found;
  }

  /** Asks in larger crops, until the object does not continue beyond its crop. @returns {Promise<Segment>} */
  async complete(prompt, found) {
    if (isSame(found.crop, this.whole) || !isCutOff(found.mask, found.crop)) return found;
    return this.complete(prompt, await this.decode(prompt, enlarge(found.crop, this.photo.size)));
  }

  async zoomOnClick(prompt, found) {
    if (!this.asksAgain || !prompt.isAmbiguous || prompt.box) return found;
    const crop = cropAroundClick(prompt.points[0], this.photo.size);
    const zoomed = await this.decode(prompt, crop);
    if (!zoomed.mask.box || isCutOff(zoomed.mask, crop)) return found;
    return zoomed.scores[zoomed.chosen] > found.scores[found.chosen] ? zoomed : found;
  }

  /**
   * Other objects that a prompt may have meant, by name; rejects as soon as `isLate()`, when something newer waits.
   * @type {(segment: Segment, isLate: () => boolean) => Promise<Record<string, Segment>>}
   */
  alternatives(segment, isLate) {
    const others = candidatesOf(segment).filter(({ chosen }) => chosen !== segment.chosen);
    const [parts, larger] = [this.parts(segment), this.larger(segment)].map((asked) => chain(others, asked, isLate));
    return chooseAlternatives(segment, parts, larger);
  }

  /** Parts of an answer around its only click. @param {Segment} segment */
  async *parts({ points, labels }) {
    const { size } = this.photo;
    if (!this.asksAgain || points.length !== 1 || !labels[0]) return;
    for (const closer of [1, 2]) {
      const click = new Prompt({ points, labels }, size);
      const crop = cropAroundClick(points[0], size, closer);
      const found = await this.decode(click, crop);
      if (!found.mask.box) continue;
      const around = Object.assign(click, { box: found.mask.box, previous: found });
      yield await this.decode(around, enlarge(crop, size));
    }
  }

  /** The main object, and what a larger box shows. @param {Segment} segment */
  async *larger({ points, labels, mask: { box } }) {
    const { size } = this.photo;
    if (!this.asksAgain || points.length > 1 || !box) return;
    if (this.graphs.policy.mainObject) yield await this.decode(new Prompt({}, size), this.whole);
    const grown = padBox(box, Math.floor(Math.max(...sizeOf(box)) / 2), size);
    const prompt = new Prompt({ points, labels, box: grown }, size);
    yield* candidatesOf(await this.complete(prompt, await this.decode(prompt, this.cropFor(prompt))));
  }

  /** The alpha of a segment at the photo's size. @type {(segment: Segment, byMask: boolean) => Promise<Bytes>} */
  async refine(segment, byMask) {
    const { frame, inputImage, features } = await this.encoded(segment.crop);
    const part = await this.graphs.matte(inputImage, features, segment.logits, frame, byMask);
    const alpha = place(toBytes(part), segment.crop, this.photo.size);
    cleanUp(alpha, this.photo, segment);
    obeyClicks(alpha, this.photo, segment);
    return this.limit(alpha);
  }

  /** An alpha with strokes on it. @type {(matte: Pick<Matte, 'alpha' | 'ownColours'>, strokes: Op[]) => object} */
  painted({ alpha, ownColours }, strokes) {
    const values = tabulate(new Float32Array(alpha.length), (i) => alpha[i] / 255);
    const own = ownColours ? ownColours.slice() : new Uint8Array(alpha.length);
    paint(values, own, this.photo.pixels, this.photo.size, 4, strokes);
    return { alpha: this.limit(toBytes(values)), ownColours: own };
  }

  /** No pixel is more opaque than the photo itself. */
  limit(alpha) {
    const { straight } = this.photo;
    return straight ? alpha.map((value, i) => Math.min(value, straight[4 * i + 3])) : alpha;
  }

  async decode(prompt, crop) {
    return decodePrompt(this.graphs, await this.encoded(crop), prompt, this.photo.size);
  }

  cropFor(prompt) {
    const { cropMargin } = this.graphs.policy;
    if (cropMargin === null) return this.whole;
    const foreground = prompt.points.filter((_, i) => prompt.labels[i] === 1);
    return chooseCrop(prompt.box, foreground, prompt.previous, this.photo.size, cropMargin);
  }

  /** @param {Box} crop */
  async encoded(crop) {
    let found = this.kept.find(({ frame }) => isSame(frame.crop, crop));
    if (!found) {
      const frame = new Frame(crop);
      const inputImage = toInputImage(this.photo, frame);
      found = { frame, inputImage, features: await this.graphs.encode(inputImage) };
    } else if (found === this.kept[0]) return found;
    this.kept = [...this.kept.filter((one) => one !== found), found];
    if (this.kept.length > 1 + CROPS_KEPT) this.kept.splice(1, 1);
    return found;
  }
}

async function* chain(first, then, isLate) {
  yield* first;
  for await (const one of then) {
    if (isLate()) throw new Error('something newer waits');
    yield one;
  }
}

/** @param {Float32Array} values in [0, 1] */
const toBytes = (values) => tabulate(new Uint8ClampedArray(values.length), (i) => values[i] * 255);
