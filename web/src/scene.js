// One encoded image: from prompts to mattes. As mam/scene.py, for one prompt at a time.

import { Patch, cut, fullBox, isSame, place } from './boxes.js';
import { cleanUp } from './cleanup.js';
import { obeyClicks } from './clicks.js';
import { chooseCrop, cropAroundClick, enlarge, isCutOff } from './crops.js';
import { candidates, decodePrompt, keepRest } from './decoding.js';
import { Frame, toInputImage } from './frames.js';
import { paint } from './painting.js';
import { Prompt } from './prompts.js';

const CROPS_KEPT = 2;

export class Scene {
  // photo: {pixels (H, W, 3) uint8, alpha (H, W) uint8 or null, size [H, W]}.
  static async open(graphs, photo) {
    const scene = new Scene();
    Object.assign(scene, { graphs, photo, crops: [] });
    scene.whole = await scene.encode(fullBox(photo.size));
    return scene;
  }

  async findMainObject() { // the empty prompt, for a model that has learnt it
    const prompt = new Prompt({}, this.photo.size);
    return this.improve(prompt, await this.decode(prompt, this.whole.box));
  }

  async segment(given) {
    const prompt = this.asksAgain ? given.boxed(given.previous) : given;
    return this.improve(prompt, await this.decode(prompt, this.cropFor(prompt)));
  }

  get asksAgain() { // with the box around an answer's own mask
    const { cropMargin, multimask } = this.graphs.policy;
    return cropMargin !== null && !multimask;
  }

  // Asks the decoder again where its answer to a prompt shows that another crop or prompt gives a better one.
  async improve(prompt, first) {
    let found = await this.complete(prompt, await this.zoomOnClick(prompt, first));
    if (this.asksAgain && prompt.isVague && !found.isEmpty) {
      const again = prompt.boxed(found), better = await this.complete(again, await this.decode(again, this.cropFor(again)));
      if (!better.isEmpty) found = better;
    }
    return prompt.previous ? keepRest(found, prompt.previous) : found;
  }

  async complete(prompt, found) { // in larger crops, until the object does not continue beyond its crop
    if (isSame(found.crop, this.whole.box) || !isCutOff(found.storedMask, found.crop)) return found;
    return this.complete(prompt, await this.decode(prompt, enlarge(found.crop, this.photo.size)));
  }

  async zoomOnClick(prompt, found) {
    if (!this.asksAgain || !prompt.isAmbiguous || prompt.box) return found;
    const crop = cropAroundClick(prompt.points[0], this.photo.size), zoomed = await this.decode(prompt, crop);
    if (zoomed.isEmpty || isCutOff(zoomed.storedMask, crop)) return found;
    return zoomed.score > found.score ? zoomed : found;
  }

  alternatives(segment) {
    return candidates(segment);
  }

  // {alpha: Patch of float32, segment}, or null when there is nothing.
  async refine(segment, byMask) {
    if (segment.isEmpty) return null;
    const { photo } = this, encoded = await this.encoded(segment.crop);
    const part = await this.graphs.matte(encoded.inputImage, encoded.features, segment.logits, encoded.frame, byMask);
    const alpha = place(part, segment.crop, photo.size), cues = [photo.pixels, segment.storedMask.full(), segment.points, segment.labels];
    cleanUp(alpha, photo.size, ...cues);
    obeyClicks(alpha, photo.size, ...cues);
    return { alpha: limitAlpha(alpha, photo), segment };
  }

  // The same matte with strokes on its alpha.
  painted({ alpha, segment, ownColours }, strokes) {
    const { pixels, size } = this.photo, values = alpha.full().slice(), own = ownColours ? ownColours.full().slice() : new Uint8Array(values.length);
    paint(values, own, pixels, size, 3, strokes);
    return { alpha: limitAlpha(values, this.photo), segment, ownColours: Patch.of(own, size) };
  }

  async decode(prompt, crop) {
    return decodePrompt(this.graphs, await this.encoded(crop), prompt, this.photo.size);
  }

  cropFor(prompt) {
    const { cropMargin } = this.graphs.policy;
    if (cropMargin === null) return this.whole.box;
    const foreground = prompt.points.filter((_, i) => prompt.labels[i] === 1);
    return chooseCrop(prompt.box, foreground, prompt.previous, this.photo.size, cropMargin);
  }

  async encoded(crop) {
    if (isSame(crop, this.whole.box)) return this.whole;
    const known = this.crops.findIndex(({ box }) => isSame(box, crop));
    const encoded = known < 0 ? await this.encode(crop) : this.crops.splice(known, 1)[0];
    this.crops.push(encoded);
    if (this.crops.length > CROPS_KEPT) this.crops.shift();
    return encoded;
  }

  async encode(box) {
    const { photo } = this, frame = new Frame([box[3] - box[1], box[2] - box[0]]);
    const pixels = isSame(box, fullBox(photo.size)) ? photo.pixels : cut(photo.pixels, photo.size, box, 3);
    const inputImage = toInputImage(pixels, frame);
    return { box, frame, inputImage, features: await this.graphs.encode(inputImage) };
  }
}

function limitAlpha(alpha, photo) { // as a Patch; no pixel is more opaque than the photo itself
  if (photo.alpha) photo.alpha.forEach((value, i) => { alpha[i] = Math.min(alpha[i], Math.fround(value / 255)); });
  return Patch.of(alpha, photo.size);
}
