// What the build puts in front of scripts.

declare const TEXTS: Record<string, Record<string, string>>;
declare const VERSION: string;
declare const FILES: { page: string[]; model: string[]; examples: string[] };

interface Window {
  start: { check(): unknown; problem: string; done: boolean };
}
