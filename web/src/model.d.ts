// Written by the build.

import type { ModelFile, Op, Policy, Style } from './types.d.ts';

export const MODEL: {
  files: Record<'runtime' | 'image_encoder' | 'mask_decoder' | 'matte', ModelFile>;
  policy: Policy;
  /** The runtime for browsers with WebGPU. */
  webgpu: ModelFile;
};
export const EXAMPLES: Record<string, { file: string; ops: Op[] }>;
/** Files of pictures by the names of the choices. */
export const BACKGROUNDS: Record<string, string>;
/** What the choices of a shape decide, from mam/compose/presets.py. */
export const SHAPES: Record<string, Pick<Style, 'background' | 'outline' | 'placement'>>;
/** What finds objects by these names. */
export const WORDS: { file: ModelFile; names: string[] };
