// The cluster at a glance.

import { h, put, keyed, part } from './dom.js';
import { chart } from './chart.js';
import { place, number, span, badge } from './format.js';
import { t, word } from './text.js';
import * as seen from './figures.js';

const STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST'];

export const title = () => t('overview');

function nodeCard(node) {
  const facts = [];
  if (node.role === 'PRINCIPAL') facts.push(t('epoch_n', node.epoch));
  if (node.role !== 'UNREACHABLE') facts.push(t('journal_n', number(node.journal_index)));
  if (node.lag !== null) facts.push(t('lag_n', number(node.lag)));
  return h('li', { class: `node is-${node.role.toLowerCase()}` },
    h('span', { class: 'role' }, word('role', node.role)),
    h('strong', null, place(node.address) || '—'),
    h('span', { class: 'quiet' }, facts.join(' · ') || t('not_linked')));
}

function workerCard(worker) {
  const state = !worker.connected ? 'gone' : worker.draining ? 'draining' : 'ok';
  return h('li', { class: `node worker is-${state}` },
    h('a', { href: `#/tasks?worker=${encodeURIComponent(worker.worker_id)}` }, worker.worker_id),
    h('span', { class: 'slots', 'aria-hidden': 'true' }, Array.from({ length: Math.min(worker.slots, 16) },
      (_, nth) => h('i', { class: nth < worker.busy ? 'busy' : '' }))),
    h('span', { class: 'quiet' }, t('slots_n', worker.busy, worker.slots), ' · ', worker.beat));
}

export function mount(root) {
  const [nodes, workers] = [h('ul', { class: 'nodes', id: 'nodes' }), h('ul', { class: 'nodes', id: 'worker-cards' })];
  const counts = h('ul', { class: 'counts' });
  const facts = h('p', { class: 'quiet' });
  const [rate, latency, load] = [
    chart(t('throughput'), t('per_second'), [['rate', t('finished'), 'one']]),
    chart(t('commit_latency'), 'ms', [['p50', 'p50', 'one'], ['p99', 'p99', 'two']]),
    chart(t('load'), '', [['running', t('state_running'), 'one'], ['queued', t('state_queued'), 'two']]),
  ];
  root.replaceChildren(
    h('h1', { class: 'unseen' }, t('overview')), counts,
    h('div', { class: 'columns' },
      part(t('orchestrators'), nodes, facts),
      part(t('workers'), workers)),
    part(t('last_minutes'), h('div', { class: 'charts' }, rate.figure, latency.figure, load.figure)));

  function update({ cluster, figures, now }) {
    const lag = figures.get('mutirao_replication_lag_entries') ?? null;
    const cards = cluster.nodes.map((node) => ({
      ...node, epoch: cluster.epoch, lag: node.role === 'STANDBY' || node.role === 'LEARNER' ? lag : null,
    }));
    keyed(nodes, cards, (node) => node.address, nodeCard);
    const witnesses = figures.get('mutirao_view_witnesses') ?? 0;
    put(facts, `${t('epoch_n', cluster.epoch)} · ${t('view_n', cluster.view)} · ${t('witnesses_n', witnesses)}`);
    const beat = ({ connected, heartbeat_age_ms: age }) => (connected ? t('heartbeat_n', span(Math.ceil(age / 500) * 500)) : t('gone'));
    keyed(workers, cluster.workers.map((worker) => ({ ...worker, heartbeat_age_ms: 0, beat: beat(worker) })), (worker) => worker.worker_id, workerCard);
    if (!cluster.workers.length) workers.replaceChildren(h('li', { class: 'empty' }, t('no_workers')));
    keyed(counts, STATES.map((state) => ({ state, count: cluster.tasks[state] ?? 0 })), ({ state }) => state,
      ({ state, count }) => h('li', null, h('a', { href: `#/tasks?state=${state}` }, h('b', null, number(count)), badge(state))));
    [rate, latency, load].forEach(({ draw }) => draw(seen.samples, seen.changes, now));
  }
  return { update };
}
