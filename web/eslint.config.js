import js from '@eslint/js';
import globals from 'globals';

const built = { TEXTS: 'readonly', FILES: 'readonly', VERSION: 'readonly' }; // the build puts them in front of scripts

export default [
  js.configs.recommended,
  {
    files: ['src/**'],
    languageOptions: { globals: { ...globals.browser, ...globals.worker, ...built } },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': ['error', { destructuring: 'all' }] },
  },
  { files: ['tests/**'], languageOptions: { globals: globals.node } },
  {
    files: ['src/start.js'],
    languageOptions: { sourceType: 'script', ecmaVersion: 5, globals: { Uint8Array: 'readonly' } }, // it runs where modules do not
    rules: { 'no-var': 'off', 'no-unused-vars': ['error', { caughtErrors: 'none' }] },
  },
  { files: ['src/service_worker.js'], languageOptions: { globals: globals.serviceworker } },
  // Part of the function that holds the canvas's scripts, as demo/canvas/js/gradio.js.
  {
    files: ['src/local.js'],
    languageOptions: { sourceType: 'script', globals: { state: 'readonly', text: 'readonly', trigger: 'readonly' } },
  },
];
