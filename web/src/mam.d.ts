/** How the result looks; what is left out keeps its default. Fractions are of the frame. */
export interface Style {
  /** "#rrggbb", a vertical gradient, or the photo blurred by thousandths of its longest side; null is transparent. */
  background: string | { top: string; bottom: string } | { blur: number } | null;
  /** 0 to 1. */
  shadow: number;
  /** -1, hard, to 1, soft. */
  softness: number;
  /** Thousandths of the longest side by which edges move outwards. */
  grow: number;
  /** Width of a white outline in thousandths of the longest side. */
  outline: number;
  placement: Partial<Placement>;
}

/** Where the object stands in the result. */
export interface Placement {
  /** Width / height of the result; null for that of the photo. */
  aspect: number | null;
  /** Size of the object, relative to the photo; with `fill`, to that. */
  scale: number;
  /** To the right and down. */
  offset: [x: number, y: number];
  /** Of the result in pixels, instead of an aspect ratio. */
  size: [height: number, width: number] | null;
  /** The part of the result's height or width that the object takes. */
  fill: number | null;
  /** From 0, at the left or top, to 1. */
  position: [x: number, y: number] | null;
  /** What `fill` and `position` are about. */
  part: 'all' | 'head';
}

/** Coordinates are pixels of the photo. Without boxes and points, the main object is cut out. */
export interface Request {
  boxes?: [x0: number, y0: number, x1: number, y1: number][];
  /** `add: false` removes what is there. */
  points?: { x: number; y: number; add?: boolean }[];
  form?: 'png' | 'jpeg' | 'webp' | 'cutout' | 'alpha';
  style?: Partial<Style>;
}

export interface OpenPhoto {
  /** The file; null if nothing was found. Rejects with a text for the visitor, in the browser's language. */
  cutOut(request?: Request): Promise<Blob | null>;
}

/**
 * Opens a photo.
 *
 * @param photo a file that the browser can decode.
 * @param options `site`: where the site is served; by default the folder of this module, which bundlers move.
 */
export function open(photo: Blob, options?: { site?: string }): Promise<OpenPhoto>;
