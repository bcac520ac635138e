// The build puts TEXTS in front: the texts of the page and of the site by language and key.

const wanted = navigator.language.split('-')[0];

export const language = TEXTS[wanted] ? wanted : 'en';

export function text(key, values = {}) {
  return TEXTS[language][key].replace(/[{]([a-z]+)[}]/g, (_, name) => values[name]);
}
