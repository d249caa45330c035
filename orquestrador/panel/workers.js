// Who works, and what ran where.

import { attempts } from './attempts.js';
import { h, keyed, part, put, table } from './dom.js';
import * as net from './net.js';
import { gantt } from './gantt.js';
import { number, reason, span } from './format.js';
import { t } from './text.js';

const TASKS = 200;
/** Every so many looks: the tasks are more to ask for than the workers. */
const EVERY = 2;

export const title = () => t('workers');

function row(worker) {
  const state = !worker.connected ? 'gone' : worker.draining ? 'draining' : 'ok';
  return h('tr', null,
    h('th', { scope: 'row' }, worker.worker_id),
    h('td', null, h('span', { class: `badge is-${state}` }, t(`worker_${state}`))),
    h('td', null, h('meter', { min: 0, max: worker.slots, value: worker.busy, 'aria-label': t('slots') }), ` ${worker.busy}/${worker.slots}`),
    h('td', { class: 'num' }, worker.connected ? span(worker.heartbeat_age_ms) : '—'),
    h('td', { class: 'num' }, number(worker.assigned_total)),
    h('td', null, worker.handlers.join(', ')),
    h('td', null, Object.entries(worker.labels).map(([key, value]) => `${key}=${value}`).join(', ') || '—'));
}

export function mount(root, me) {
  const isOfAll = me.role !== 'SUBMITTER';
  const { body, whole } = table(t('workers'), [[t('worker')], [t('state')], [t('slots')], [t('heartbeat'), 'num'],
    [t('assigned'), 'num'], [t('handlers')], [t('labels')]]);
  const lanes = gantt();
  const still = h('p', { class: 'quiet', hidden: true });
  const failed = h('p', { class: 'error', role: 'alert' });
  root.replaceChildren(h('h1', null, t('workers')), whole,
    part(t('what_ran_where'), h('p', { class: 'quiet' }, t(isOfAll ? 'gantt_note_all' : 'gantt_note', TASKS)), lanes.element, still, failed));
  const known = attempts();
  let looks = 0;
  async function update({ cluster, now }) {
    keyed(body, cluster.workers, (worker) => worker.worker_id, row);
    looks += 1;
    if (looks % EVERY !== 1) return;
    try {
      const { tasks } = await net.ask(`tasks?size=${TASKS}${isOfAll ? '&users=all' : ''}`);
      const { all, missing } = known.of(tasks);
      lanes.draw(cluster.workers.map((worker) => worker.worker_id), all, now);
      still.hidden = !missing;
      put(still, t('gantt_reading', missing));
      failed.textContent = '';
    } catch (failure) {
      if (!failure.isPassing) failed.textContent = reason(failure);
    }
  }
  return { update };
}
