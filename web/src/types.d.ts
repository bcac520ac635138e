// Shapes that several scripts share.

export type Size = [height: number, width: number];
export type Point = [x: number, y: number];
/** [x0, y0, x1, y1] in pixels of an array, ends exclusive. */
export type Box = [number, number, number, number];
/** One byte per value, flat and row by row. */
export type Bytes = Uint8ClampedArray;

/** `pixels` are RGBA over white. `straight` are the file's own, not premultiplied; null if the photo is opaque. */
export interface Photo {
  pixels: Bytes;
  straight: Bytes | null;
  size: Size;
  name: string;
  note: string;
  source: Blob;
  small?: Pick<Photo, 'pixels' | 'straight' | 'size'>;
}

/** RGBA pixels, not premultiplied, with an alpha of their own. */
export interface Layer {
  pixels: Bytes;
  alpha: Bytes;
  size: Size;
}

/** A colour "#rrggbb", a vertical gradient, the photo blurred (thousandths of the longest side), or an image. */
export type Background = string | { top: string; bottom: string } | { blur: number } | ImageBitmap;

/**
 * How objects are composed: the fields of `mam.Style`. `background` is null for a transparent image; `position` is x and
 * y, in fractions.
 */
export interface Style {
  background: Background | null;
  whole: boolean;
  position: [number, number];
  shadow: number;
  softness: number;
  grow: number;
  outline: number;
  clean: boolean;
  placement: Placement;
}

/** The fields of `mam.Placement`. */
export interface Placement {
  aspect: number | null;
  scale: number;
  offset: [number, number];
  size: Size | null;
  fill: number | null;
  position: [number, number] | null;
  part: 'all' | 'head';
}

/** `values` are 0 or 255; `box` is around the latter, null for an empty mask. */
export interface Mask {
  values: Bytes;
  box: Box | null;
  size: Size;
}

/** The decoder's answer to a prompt. `logits` and the four `lowResMasks` are 256 x 256, of the crop. */
export interface Segment {
  mask: Mask;
  chosen: number;
  logits: Float32Array;
  lowResMasks: Float32Array;
  scores: number[];
  crop: Box;
  points: Point[];
  labels: number[];
  fromMask: boolean;
}

export interface Alpha {
  values: Bytes;
  size: Size;
}

/** `alpha` has the photo's size, `small` the screen's. A draft has the mask as its alpha. */
export interface Matte {
  alpha: Bytes;
  segment: Segment;
  small: Alpha;
  ownColours?: Uint8Array;
  isDraft?: boolean;
}

/** One prompt or stroke on an object; demo/canvas/protocol.py describes them. */
export interface Op {
  kind: 'main' | 'box' | 'point' | 'scribble' | 'candidate' | 'paint';
  xy?: any;
  label?: number;
  /** Of a candidate: "" keeps the answer. */
  name?: string;
  size?: number;
  softness?: number;
  snap?: boolean;
}

export interface SceneObject {
  id: number;
  name: string;
  visible: boolean;
  ops: Op[];
}

export interface PromptMessage {
  token: string;
  turn: number;
  objects: SceneObject[];
  active: number;
  have: string[];
  touching: boolean;
}

/** A tensor that can travel between workers. */
export interface Value {
  type: string;
  data: any;
  dims: readonly number[];
}

export interface Policy {
  cropMargin: number | null;
  multimask: boolean;
  mainObject: boolean;
}

export interface ModelFile {
  file: string;
  bytes: number;
  halves: [start: number, length: number][];
}
