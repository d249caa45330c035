// Lines over the last minutes. Lengths are in the viewBox, so the charts are as wide as their place.

import { h, s, put } from './dom.js';
import { number } from './format.js';
import { t } from './text.js';

const [WIDTH, HEIGHT] = [600, 120];
/** How far back a chart goes: no farther than it needs. */
const SPANS_MS = [60000, 120000, 300000];

/** 1, 2, 5, 10, 20, … : the first that is not less. */
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

/** A path for each part without a gap. */
function path(points) {
  let [text, isOpen] = ['', false];
  for (const point of points) {
    if (!point) isOpen = false;
    else [text, isOpen] = [`${text}${isOpen ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`, true];
  }
  return text;
}

/** `series`: `[field, name, class]` of the samples. Gives the figure and how to draw it anew. */
export function chart(title, unit, series) {
  const top = h('span', { class: 'top' });
  const lines = series.map(([, , kind]) => s('path', { class: `line ${kind}` }));
  const area = s('path', { class: `area ${series[0][2]}` });
  const marks = s('g', { class: 'marks' });
  const grid = [0.25, 0.5, 0.75].map((y) => s('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * y, y2: HEIGHT * y }));
  const picture = s('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': title,
  }, grid, area, lines, marks);
  const values = series.map(() => h('b'));
  const legend = series.map(([, name, kind], nth) => h('span', { class: `key ${kind}` }, name, ' ', values[nth]));
  const since = h('span');
  const figure = h('figure', { class: 'chart' },
    h('figcaption', null, h('span', { class: 'title' }, title), h('span', { class: 'legend' }, legend)),
    h('div', { class: 'plot' }, top, picture),
    h('div', { class: 'times', 'aria-hidden': 'true' }, since, h('span', null, t('now'))));

  function draw(samples, changes, now) {
    const age = now - (samples[0]?.at ?? now);
    const length = SPANS_MS.find((known) => known >= age) ?? SPANS_MS.at(-1);
    put(since, t('minutes_ago', length / 60000));
    const x = (at) => WIDTH * (1 - (now - at) / length);
    const all = samples.flatMap((sample) => series.map(([name]) => sample[name] ?? 0));
    const most = round(Math.max(...all, unit === 'ms' ? 1 : 4));
    const y = (value) => HEIGHT - 2 - (HEIGHT - 8) * (value / most);
    put(top, `${number(most)} ${unit}`);
    const of = (name) => samples.map((sample) => (sample[name] === null ? null : [x(sample.at), y(sample[name])]));
    series.forEach(([name], nth) => {
      lines[nth].setAttribute('d', path(of(name)));
      const last = samples.at(-1)?.[name];
      put(values[nth], last === null || last === undefined ? '—' : `${number(last)} ${unit}`);
    });
    const first = of(series[0][0]).filter(Boolean);
    area.setAttribute('d', first.length > 1 ? `${path(first)}L${first.at(-1)[0]} ${HEIGHT}L${first[0][0]} ${HEIGHT}Z` : '');
    const shown = changes.filter((change) => change.at > now - length);
    marks.replaceChildren(...shown.map((change) => s('line', { x1: x(change.at), x2: x(change.at), y1: 0, y2: HEIGHT })));
    const told = series.map(([, name], nth) => `${name} ${values[nth].textContent}`).join(', ');
    picture.setAttribute('aria-label', `${title}: ${told}`);
  }
  return { figure, draw };
}
