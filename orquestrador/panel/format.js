// Times, numbers and ids as people read them.

import { locale, t, word } from './text.js';
import { h } from './dom.js';
import { user } from './net.js';

export const number = (value) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(value);

/** A moment, with the day where it is not today. */
export function moment(ms) {
  if (!ms) return '—';
  const date = new Date(ms);
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit' };
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(locale(), isToday ? time : { day: '2-digit', month: '2-digit', ...time });
}

/** A span of time with one unit, or two. */
export function span(ms) {
  if (!Number.isFinite(ms) || ms < 0) return '—';
  if (ms < 1) return `${number(ms)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${number(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let [value, nth] = [count / 1024, 0];
  while (value >= 1024 && nth < units.length - 1) [value, nth] = [value / 1024, nth + 1];
  return `${number(value)} ${units[nth]}`;
}

/** The end of an id tells tasks of one moment apart. */
export const short = (id) => (id.length > 13 ? `…${id.slice(-12)}` : id);

/** The page of a task. `as`: whose it is, where that may be another user. */
export const toTask = (id, as) => `#/tasks/${id}${as && as !== user() ? `?${new URLSearchParams({ user: as })}` : ''}`;

/** Without scheme. */
export const place = (address) => address.replace(/^https?:\/\//, '');

/** A state as a coloured word; the word alone is enough to tell. */
export function badge(state) {
  return h('span', { class: `badge is-${state.toLowerCase()}` }, word('state', state));
}

/** How long a task has run, or ran. */
export function ran(task, now) {
  if (!task.started_ms) return '—';
  return span((task.finished_ms || now) - task.started_ms);
}

/** Why something was refused, for people. */
export function reason(failure) {
  const known = word('error', failure.code);
  const fields = (failure.fields ?? []).map(({ field, why }) => `${field}: ${why}`).join('; ');
  const detail = fields || failure.message;
  if (known !== failure.code) return fields ? `${known} ${fields}` : known;
  return t('refused', failure.code ?? '?', detail ?? '');
}
