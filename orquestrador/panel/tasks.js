// The caller's tasks, newest first, a page at a time. What is looked for stands in the address, so it can be kept and shared.

import { h, keyed, table, field } from './dom.js';
import * as net from './net.js';
import { badge, moment, place, ran, reason, short } from './format.js';
import { t, word } from './text.js';

const SIZE = 50;
/** Looks until the next question. */
const [REST, REST_DEAR] = [2, 8];
const STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST'];
const FILTERS = ['queue', 'handler', 'worker', 'group', 'error', 'schedule', 'array'];
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const title = () => t('tasks');

function row(task) {
  const why = task.error ? task.error.code : task.pending_reason && word('pending', task.pending_reason);
  return h('tr', null,
    h('th', { scope: 'row' }, h('a', { class: 'id', href: `#/tasks/${task.task_id}`, title: task.task_id }, short(task.task_id))),
    h('td', null, badge(task.state)),
    h('td', null, task.handler),
    h('td', null, task.queue),
    h('td', null, task.worker_id ? place(task.worker_id) : '—'),
    h('td', { class: 'num' }, task.attempt || '—'),
    h('td', { class: 'num' }, moment(task.submitted_ms)),
    h('td', { class: 'num' }, task.ran),
    h('td', { class: 'why' }, why || ''));
}

/** Free text: an id leads to its task, `field:value` to a filter, any other word to the handler. */
function search(text, query) {
  for (const said of text.split(/\s+/).filter(Boolean)) {
    const [name, ...rest] = said.split(':');
    if (rest.length && FILTERS.includes(name)) query.set(name, rest.join(':'));
    else query.set('handler', said);
  }
  return query;
}

export function mount(root, query, me) {
  const { body, whole } = table(t('tasks'), [[t('id')], [t('state')], [t('handler')], [t('queue')], [t('worker')],
    [t('attempt'), 'num'], [t('submitted'), 'num'], [t('duration'), 'num'], [t('reason')]]);
  const go = (changed) => {
    const kept = [...changed].filter(([, value]) => value);
    window.location.hash = `#/tasks${kept.length ? `?${new URLSearchParams(kept)}` : ''}`;
  };
  const words = h('input', { type: 'search', name: 'search', placeholder: t('search_hint'), 'aria-label': t('search') });
  const state = h('select', { name: 'state', onchange: () => { query.set('state', state.value); query.delete('page'); go(query); } },
    h('option', { value: '' }, t('all_states')), STATES.map((known) => h('option', { value: known }, word('state', known))));
  state.value = query.get('state') ?? '';
  const look = (event) => {
    event.preventDefault();
    const text = words.value.trim();
    if (ID.test(text)) window.location.hash = `#/tasks/${text.toLowerCase()}`;
    else { query.delete('page'); go(search(text, query)); }
  };
  const set = FILTERS.filter((name) => query.get(name));
  const chips = set.map((name) => h('button', {
    class: 'chip', type: 'button', onclick: () => { query.delete(name); query.delete('page'); go(query); },
    'aria-label': t('remove_filter', `${name}: ${query.get(name)}`),
  }, `${name}: ${query.get(name)}`, h('span', { 'aria-hidden': 'true' }, ' ×')));
  const [empty, failed] = [h('p', { class: 'empty', hidden: true }, t('no_tasks')), h('p', { class: 'error', role: 'alert' })];
  const older = h('a', { class: 'button', hidden: true }, t('older'));
  const newest = h('button', { type: 'button', hidden: !query.get('page'), onclick: () => { query.delete('page'); go(query); } }, t('newest'));
  root.replaceChildren(
    h('div', { class: 'heading' }, h('h1', null, t('tasks')), me.role !== 'SUBMITTER' && asUser(),
      me.role !== 'VIEWER' && h('a', { class: 'button main', href: '#/submit' }, t('submit'))),
    h('form', { class: 'search', role: 'search', onsubmit: look }, words, field(t('state'), state), h('button', { type: 'submit' }, t('search')), chips),
    whole, empty, failed, h('nav', { class: 'paging', 'aria-label': t('pages') }, newest, older));

  let rest = 0;
  async function update({ now }) {
    rest -= 1;
    if (rest > 0) return;
    const asked = new URLSearchParams(query);
    asked.set('size', SIZE);
    if (!asked.get('state')) asked.delete('state');
    try {
      const { tasks, next } = await net.ask(`tasks?${asked}`);
      keyed(body, tasks.map((task) => ({ ...task, ran: ran(task, now) })), (task) => task.task_id, row);
      // A page that is not full although others follow has cost as much as a page may.
      rest = next && tasks.length < SIZE ? REST_DEAR : REST;
      empty.hidden = tasks.length > 0;
      older.hidden = !next;
      if (next) {
        const following = new URLSearchParams(query);
        following.set('page', next);
        older.href = `#/tasks?${following}`;
      }
      failed.textContent = '';
    } catch (failure) {
      if (!failure.isPassing) failed.textContent = reason(failure);
    }
  }
  return { update };
}

/** Administrators and viewers look at what others have. */
function asUser() {
  const name = h('input', { name: 'as', value: net.owner(), placeholder: net.user(), autocapitalize: 'none', spellcheck: 'false' });
  const choose = (event) => {
    event.preventDefault();
    net.actAs(name.value.trim());
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  };
  return h('form', { class: 'as', onsubmit: choose }, field(t('tasks_of'), name), h('button', { type: 'submit' }, t('show')));
}
