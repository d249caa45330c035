// A line of time for each worker, with a bar for each task: where its last attempt ran, and when.

import { h, s, table, keyed } from './dom.js';
import { moment, ran, short } from './format.js';
import { t, word } from './text.js';

const [WIDTH, LANE, MAX_LANES] = [1000, 10, 16];
const SHORTEST_MS = 30000;
const LONGEST_MS = 15 * 60 * 1000;

/** Bars that overlap stand in different lanes, as they had different slots. */
function placed(tasks, now) {
  const ends = [];
  return tasks.map((task) => {
    const end = task.finished_ms || now;
    let lane = ends.findIndex((other) => other <= task.started_ms);
    if (lane < 0) lane = Math.min(ends.length, MAX_LANES - 1);
    ends[lane] = end;
    return { task, lane, end };
  });
}

function row(worker, tasks, [from, now]) {
  const x = (at) => Math.max(0, Math.min(WIDTH, (WIDTH * (at - from)) / (now - from)));
  const bars = placed(tasks, now);
  const lanes = Math.max(1, ...bars.map(({ lane }) => lane + 1));
  const height = lanes * LANE;
  const bar = ({ task, lane, end }) => {
    const left = x(task.started_ms);
    const told = `${short(task.task_id)} · ${task.handler} · ${word('state', task.state)} · ${ran(task, now)}`;
    return s('a', { href: `#/tasks/${task.task_id}`, tabindex: -1 },
      s('rect', { x: left, y: lane * LANE + 1, width: Math.max(2, x(end) - left - 1), height: LANE - 2, rx: 1, class: `run is-${task.state.toLowerCase()}` },
        s('title', null, told)));
  };
  return h('div', { class: 'lane' }, h('span', { class: 'name' }, worker),
    s('svg', { viewBox: `0 0 ${WIDTH} ${height}`, height: height * 1.4, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bars.map(bar)));
}

/** The picture, and the same as a table for those who do not see it. */
export function gantt() {
  const [rows, first, last] = [h('div', { class: 'gantt' }), h('span'), h('span')];
  const { body, whole } = table(t('what_ran_where'), [[t('worker')], [t('task')], [t('state')], [t('started'), 'num'], [t('duration'), 'num']]);
  const element = h('div', null, rows, h('div', { class: 'times gantt-times', 'aria-hidden': 'true' }, first, last),
    h('details', null, h('summary', null, t('as_table')), whole));

  function draw(workers, tasks, now) {
    const begun = tasks.filter((task) => task.worker_id && task.started_ms).sort((a, b) => a.started_ms - b.started_ms);
    const earliest = begun.find((task) => (task.finished_ms || now) > now - LONGEST_MS)?.started_ms ?? now;
    const from = Math.max(now - LONGEST_MS, Math.min(earliest, now - SHORTEST_MS));
    const shown = begun.filter((task) => (task.finished_ms || now) > from);
    const names = [...new Set([...workers, ...shown.map((task) => task.worker_id)])];
    rows.replaceChildren(...names.map((name) => row(name, shown.filter((task) => task.worker_id === name), [from, now])));
    first.textContent = moment(from);
    last.textContent = t('now');
    const told = shown.map((task) => ({ ...task, ran: ran(task, now) })).reverse();
    keyed(body, told, (task) => task.task_id, (task) => h('tr', null,
      h('td', null, task.worker_id), h('td', null, h('a', { class: 'id', href: `#/tasks/${task.task_id}` }, short(task.task_id))),
      h('td', null, word('state', task.state)), h('td', { class: 'num' }, moment(task.started_ms)), h('td', { class: 'num' }, task.ran)));
  }
  return { element, draw };
}
