// Tasks, newest first, a page at a time: the reader's own, another user's, or those of all. What is looked for stands in the
// address, so it can be kept and shared.

import { h, keyed, put, table, field } from './dom.js';
import * as net from './net.js';
import { badge, moment, place, ran, reason, short, toTask } from './format.js';
import { t, word } from './text.js';

const SIZE = 50;
/** Looks until the next question. */
const [REST, REST_DEAR] = [2, 8];
const STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST'];
const FILTERS = ['queue', 'handler', 'worker', 'group', 'error', 'schedule', 'array'];
/** What a search may name. */
const KNOWN = [...FILTERS, 'state', 'user'];
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ALL = 'all';

export const title = () => t('tasks');

function row(task, isOfAll) {
  const why = task.error ? task.error.code : task.pending_reason && word('pending', task.pending_reason);
  return h('tr', null,
    h('th', { scope: 'row' }, h('a', { class: 'id', href: toTask(task.task_id, task.owner), title: task.task_id }, short(task.task_id))),
    isOfAll && h('td', { class: 'owner' }, task.owner),
    h('td', null, badge(task.state)),
    h('td', null, task.handler),
    h('td', null, task.queue),
    h('td', null, task.worker_id ? place(task.worker_id) : '—'),
    h('td', { class: 'num' }, task.attempt || '—'),
    h('td', { class: 'num' }, moment(task.submitted_ms)),
    h('td', { class: 'num' }, task.ran),
    h('td', { class: 'why' }, why || ''));
}

/** Whose tasks: nobody's name, one user's, or those of all. */
function choose(query, { user = '', isAll = false }) {
  query.delete('users');
  query.delete('user');
  query.delete('page');
  if (isAll) query.set('users', ALL);
  else if (user && user !== net.user()) query.set('user', user);
}

/** One word of a search, into the query; gives what is wrong with it. */
function take(said, query) {
  const [name, ...rest] = said.split(':');
  const value = rest.join(':');
  if (!rest.length) query.set('handler', said);
  else if (!KNOWN.includes(name)) return t('unknown_filter', name, KNOWN.join(', '));
  else if (!value) return t('empty_filter', name);
  else if (name === 'user') choose(query, value === ALL ? { isAll: true } : { user: value });
  else if (name !== 'state') query.set(name, value);
  else if (STATES.includes(value.toUpperCase())) query.set('state', value.toUpperCase());
  else return t('unknown_state', value, STATES.join(', ').toLowerCase());
  return '';
}

/** Free text: an id leads to its task, `field:value` to a filter, any other word to the handler. */
function search(text, query) {
  const words = text.split(/\s+/).filter(Boolean);
  return words.map((said) => take(said, query)).find(Boolean) ?? '';
}

/** Where the task is, whoever has it; or why that is not known. */
async function found(id) {
  try {
    const { tasks: [task] } = await net.ask(`tasks?users=${ALL}&task=${id}`);
    return task ? { page: toTask(id, task.owner) } : { wrong: t('error_task_not_found') };
  } catch (failure) {
    return { wrong: reason(failure) };
  }
}

function form(query, go) {
  const words = h('input', { type: 'search', name: 'search', placeholder: t('search_hint'), 'aria-label': t('search'), 'aria-describedby': 'search-error' });
  const said = h('p', { class: 'error', role: 'alert', id: 'search-error' });
  const state = h('select', { name: 'state', onchange: () => { query.set('state', state.value); query.delete('page'); go(query); } },
    h('option', { value: '' }, t('all_states')), STATES.map((known) => h('option', { value: known }, word('state', known))));
  state.value = query.get('state') ?? '';
  const look = async (event) => {
    event.preventDefault();
    const text = words.value.trim();
    if (ID.test(text)) {
      const id = text.toLowerCase();
      const { page, wrong } = query.get('users') === ALL ? await found(id) : { page: toTask(id, query.get('user')) };
      put(said, wrong ?? '');
      if (page) window.location.hash = page;
      return;
    }
    const wanted = new URLSearchParams(query);
    wanted.delete('page');
    const wrong = search(text, wanted);
    put(said, wrong);
    if (!wrong) go(wanted);
  };
  const chips = FILTERS.filter((name) => query.get(name)).map((name) => h('button', {
    class: 'chip', type: 'button', onclick: () => { query.delete(name); query.delete('page'); go(query); },
    'aria-label': t('remove_filter', `${name}: ${query.get(name)}`),
  }, `${name}: ${query.get(name)}`, h('span', { 'aria-hidden': 'true' }, ' ×')));
  return [h('form', { class: 'search', role: 'search', onsubmit: look }, words, field(t('state'), state), h('button', { type: 'submit' }, t('search')), chips), said];
}

/** Administrators and viewers look at what others have. */
function whose(query, go) {
  const user = query.get('user') ?? '';
  const of = h('select', { name: 'users' },
    h('option', { value: '' }, t('users_me')), h('option', { value: ALL }, t('users_all')), h('option', { value: 'one' }, t('users_one')));
  of.value = query.get('users') === ALL ? ALL : user && 'one';
  const name = h('input', { name: 'as', value: user, autocapitalize: 'none', spellcheck: 'false', 'aria-label': t('user') });
  const one = h('span', { class: 'one' }, name, h('button', { type: 'submit' }, t('show')));
  one.hidden = of.value !== 'one';
  of.addEventListener('change', () => {
    one.hidden = of.value !== 'one';
    if (of.value === 'one') { name.focus(); return; }
    choose(query, { isAll: of.value === ALL });
    go(query);
  });
  const show = (event) => {
    event.preventDefault();
    choose(query, { user: name.value.trim() });
    go(query);
  };
  return h('form', { class: 'as', onsubmit: show }, field(t('tasks_of'), of), one);
}

export function mount(root, query, me) {
  const isOfAll = query.get('users') === ALL;
  const as = isOfAll ? '' : query.get('user') ?? '';
  const owner = isOfAll ? [[t('owner')]] : [];
  const { body, whole } = table(t('tasks'), [[t('id')], ...owner, [t('state')], [t('handler')], [t('queue')], [t('worker')],
    [t('attempt'), 'num'], [t('submitted'), 'num'], [t('duration'), 'num'], [t('reason')]]);
  const go = (changed) => {
    const kept = String(new URLSearchParams([...changed].filter(([, value]) => value)));
    const to = `#/tasks${kept ? `?${kept}` : ''}`;
    if (window.location.hash === to) window.dispatchEvent(new HashChangeEvent('hashchange'));
    else window.location.hash = to;
  };
  const [empty, failed] = [h('p', { class: 'empty', hidden: true }, t('no_tasks')), h('p', { class: 'error', role: 'alert' })];
  const older = h('a', { class: 'button', hidden: true }, t('older'));
  const newest = h('button', { type: 'button', hidden: !query.get('page'), onclick: () => { query.delete('page'); go(query); } }, t('newest'));
  const submit = h('a', { class: 'button main', href: `#/submit${as ? `?${new URLSearchParams({ user: as })}` : ''}` }, t('submit'));
  root.replaceChildren(
    h('div', { class: 'heading' }, h('h1', null, t('tasks')), me.role !== 'SUBMITTER' && whose(query, go), me.role !== 'VIEWER' && submit),
    ...form(query, go), whole, empty, failed, h('nav', { class: 'paging', 'aria-label': t('pages') }, newest, older));

  let rest = 0;
  async function update({ now }) {
    rest -= 1;
    if (rest > 0) return;
    const asked = new URLSearchParams(query);
    asked.delete('user');
    asked.set('size', SIZE);
    if (!asked.get('state')) asked.delete('state');
    try {
      const { tasks, next } = await net.ask(`tasks?${asked}`, { as });
      keyed(body, tasks.map((task) => ({ ...task, ran: ran(task, now) })), (task) => task.task_id, (task) => row(task, isOfAll));
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
