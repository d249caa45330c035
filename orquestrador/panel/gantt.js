// A line of time for each worker, with a bar for each attempt: where it ran, when, and how it ended. Arrow keys go from bar to bar.

import { h, table, keyed } from './dom.js';
import { moment, short, span, toTask } from './format.js';
import { t, word } from './text.js';

const MAX_LANES = 16;
const SHORTEST_MS = 30000;
const LONGEST_MS = 15 * 60 * 1000;
/** A mark in each bar, and in the legend: nobody needs to tell colours apart. */
const MARKS = { RUNNING: '▸', SUCCEEDED: '✓', FAILED: '✕', LOST: '?', CANCELLED: '–', RETURNED: '↩' };

/** Bars that overlap stand in different lanes, as they had different slots. */
function placed(attempts) {
  const ends = [];
  return attempts.map((attempt) => {
    let lane = ends.findIndex((other) => other <= attempt.from);
    if (lane < 0) lane = Math.min(ends.length, MAX_LANES - 1);
    ends[lane] = attempt.end;
    return { ...attempt, lane };
  });
}

const key = ({ task, attempt }) => `${task.task_id} ${attempt}`;

const told = ({ task, attempt, state, from, end }) => [
  short(task.task_id), task.handler, t('attempt_n', attempt), word('state', state), moment(from), span(end - from),
].join(' · ');

function bar(one) {
  return h('li', null, h('a', { class: `run is-${one.state.toLowerCase()}`, href: toTask(one.task.task_id, one.task.owner), tabindex: -1 },
    h('span', { 'aria-hidden': 'true' }, MARKS[one.state])));
}

/** What changes as time goes on. */
function settle(item, one, [from, now]) {
  const part = (at) => Math.max(0, Math.min(100, (100 * (at - from)) / (now - from)));
  const [left, right] = [part(one.from), part(one.end)];
  Object.assign(item.style, { left: `${left}%`, width: `${right - left}%`, top: `${one.lane + 0.1}em` });
  const link = item.firstElementChild;
  const text = told(one);
  if (link.getAttribute('aria-label') !== text) link.setAttribute('aria-label', text);
  link.title = text;
  item.dataset.at = (left + right) / 2;
}

function legend() {
  return h('ul', { class: 'marks-legend', 'aria-label': t('legend') }, Object.entries(MARKS).map(([state, mark]) => h('li', null,
    h('span', { class: `run is-${state.toLowerCase()}`, 'aria-hidden': 'true' }, mark), word('state', state))));
}

/** One bar is where Tab stops; from it the arrows lead on. */
function walk(rows, event) {
  const bars = (lane) => [...lane.querySelectorAll('li')].sort((a, b) => a.dataset.at - b.dataset.at);
  const here = event.target.closest('li');
  const lanes = [...rows.children].filter((lane) => lane.querySelector('li'));
  if (!here) return;
  const lane = lanes.findIndex((one) => one.contains(here));
  const own = bars(lanes[lane]);
  const nth = own.indexOf(here);
  const nearest = (of) => of && bars(of).reduce((a, b) => (Math.abs(b.dataset.at - here.dataset.at) < Math.abs(a.dataset.at - here.dataset.at) ? b : a));
  const next = {
    ArrowLeft: () => own[nth - 1], ArrowRight: () => own[nth + 1], Home: () => own[0], End: () => own.at(-1),
    ArrowUp: () => nearest(lanes[lane - 1]), ArrowDown: () => nearest(lanes[lane + 1]),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  next()?.firstElementChild.focus();
}

/** The picture, and the same as a table. */
export function gantt() {
  const [first, last] = [h('span'), h('span')];
  const rows = h('div', { class: 'gantt', role: 'group', 'aria-label': t('gantt_label'), onkeydown: (event) => walk(rows, event), onfocusin: (event) => stopAt(event.target) });
  const { body, whole } = table(t('what_ran_where'), [[t('worker')], [t('task')], [t('attempt'), 'num'], [t('state')], [t('started'), 'num'], [t('duration'), 'num']]);
  const element = h('div', null, legend(), rows, h('div', { class: 'times gantt-times', 'aria-hidden': 'true' }, first, last),
    h('details', null, h('summary', null, t('as_table')), whole));

  function stopAt(link) {
    rows.querySelectorAll('a[tabindex="0"]').forEach((other) => { other.tabIndex = -1; });
    if (link) link.tabIndex = 0;
  }

  function lane(name) {
    return h('div', { class: 'lane' }, h('span', { class: 'name' }, name), h('ul', { class: 'bars', 'aria-label': name }));
  }

  /** `attempts`: `{ task, attempt, worker, state, from, to }`, `to` being 0 while it runs. */
  function draw(workers, attempts, now) {
    const all = attempts.map((one) => ({ ...one, end: one.to || now })).sort((a, b) => a.from - b.from);
    const earliest = all.find((one) => one.end > now - LONGEST_MS)?.from ?? now;
    const from = Math.max(now - LONGEST_MS, Math.min(earliest, now - SHORTEST_MS));
    const shown = all.filter((one) => one.end > from);
    const names = [...new Set([...workers, ...shown.map((one) => one.worker)])];
    keyed(rows, names, (name) => name, lane);
    names.forEach((name, nth) => {
      const bars = rows.children[nth].querySelector('.bars');
      const theirs = placed(shown.filter((one) => one.worker === name));
      keyed(bars, theirs, key, bar, (one) => one.state);
      bars.style.height = `${Math.max(1, ...theirs.map((one) => one.lane + 1))}em`;
      theirs.forEach((one, at) => settle(bars.children[at], one, [from, now]));
    });
    if (!rows.querySelector('a[tabindex="0"]')) stopAt([...rows.querySelectorAll('a')].at(-1));
    first.textContent = moment(from);
    last.textContent = t('now');
    const lines = shown.map((one) => ({ ...one, ran: span(one.end - one.from), end: 0 })).reverse();
    keyed(body, lines, key, (one) => h('tr', null,
      h('td', null, one.worker), h('td', null, h('a', { class: 'id', href: toTask(one.task.task_id, one.task.owner) }, short(one.task.task_id))),
      h('td', { class: 'num' }, one.attempt), h('td', null, word('state', one.state)), h('td', { class: 'num' }, moment(one.from)), h('td', { class: 'num' }, one.ran)));
  }
  return { element, draw };
}
