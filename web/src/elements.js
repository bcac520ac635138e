// Elements of the page by CSS selectors.

/** @type {(selector: string) => any} */
export const find = (selector) => document.querySelector(selector);

/** @type {(selector: string) => any[]} */
export const findAll = (selector) => [...document.querySelectorAll(selector)];
