// Written by the build, from mam/text/vocabulary.py and mam/bundle/words.json.

export const VOCABULARY: {
  outputs: string[];
  nouns: Record<string, string>;
  endsNoun: string[];
  mayEndNoun: string[];
  determiners: string[];
  noPlurals: string[];
  negation: string;
  threshold: number;
};
