// What is said, in the language of whoever reads.

import pt from './pt.js';
import en from './en.js';

const TABLES = { pt, en };
const KEPT = 'mutirao-lang';

let language = localStorage.getItem(KEPT) in TABLES ? localStorage.getItem(KEPT) : 'pt';

/** `pt` or `en`. */
export const lang = () => language;
/** As browsers name it. */
export const locale = () => (language === 'pt' ? 'pt-BR' : 'en');

export function setLang(chosen) {
  language = chosen in TABLES ? chosen : 'pt';
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = locale();
}

/** The sentence of a key, with what it speaks of in the place of {0}, {1}. */
export function t(key, ...values) {
  const text = TABLES[language][key] ?? key;
  return text.replace(/\{(\d)\}/g, (_, nth) => values[nth]);
}

/** The sentence for a word of the platform, or the word itself where it is unknown. */
export function word(kind, value) {
  const key = `${kind}_${String(value).toLowerCase()}`;
  return TABLES[language][key] ?? value;
}
