// One task: what it is, what happened, what it says, what came of it.

import { h, put, keyed, part, say } from './dom.js';
import * as net from './net.js';
import { badge, bytes, moment, place, ran, reason, span, toTask } from './format.js';
import { newId } from './submit.js';
import { output } from './output.js';
import { t, word } from './text.js';

const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST'];
const RETRIED = ['FAILED', 'LOST'];
/** A history is read from the disk. */
const HISTORY_MS = 60000;

export const title = () => t('task');

const link = (id, as) => h('a', { class: 'id', href: toTask(id, as) }, id);

/** Names and values, some of them elements. */
function facts(task, now) {
  return [
    [t('handler'), task.handler], [t('queue'), `${task.queue}${task.priority ? ` (${task.priority})` : ''}`],
    [t('owner'), task.owner], [t('attempt'), task.attempt || '—'],
    [t('worker'), task.worker_id ? place(task.worker_id) : '—'], [t('submitted'), moment(task.submitted_ms)],
    [t('waited'), task.started_ms ? span(task.started_ms - task.submitted_ms) : '—'], [t('duration'), ran(task, now)],
    task.group && [t('group'), task.group],
    task.at_most_once && [t('delivery'), t('at_most_once')],
    task.pending_reason && [t('reason'), word('pending', task.pending_reason)],
    task.error && [t('error'), `${task.error.code}: ${task.error.message}`],
    task.retry_of && [t('retry_of'), link(task.retry_of, task.owner)],
    task.retried_as && [t('retried_as'), link(task.retried_as, task.owner)],
  ].filter(Boolean);
}

const fact = ([name, value]) => h('div', { class: 'fact' }, h('dt', null, name), h('dd', null, value));
const factMark = ([, value]) => value.textContent ?? String(value);

function step({ what, at_ms: at, attempt, worker_id: worker, cause, epoch, journal_index: index }) {
  const detail = [attempt > 0 && t('attempt_n', attempt), worker && place(worker), cause].filter(Boolean).join(' · ');
  return h('li', { class: `step is-${what.toLowerCase()}` },
    h('time', null, moment(at)), h('strong', null, word('step', what)),
    h('span', null, detail), h('span', { class: 'quiet' }, t('epoch_index', epoch, index)));
}

function content(value) {
  if (!value || value.bytes === 0) return h('p', { class: 'empty' }, t('nothing'));
  if (value.text === null || value.text === undefined) return h('p', { class: 'empty' }, t('not_text', bytes(value.bytes)));
  let text = value.text;
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  const cut = value.is_cut && h('p', { class: 'quiet' }, t('cut', bytes(value.bytes)));
  return [h('pre', { tabindex: 0 }, text), cut];
}

/** Of a program: what it printed, as it printed it. */
function printed(value) {
  let told;
  try {
    told = JSON.parse(value.text);
  } catch {
    return null;
  }
  if (told === null || typeof told !== 'object' || !('exit_code' in told)) return null;
  const streams = ['stdout', 'stderr'].filter((name) => typeof told[name] === 'string' && told[name] !== '');
  const code = told.exit_code === null ? t('by_signal', told.signal ?? '?') : t('exit_code', told.exit_code);
  return [h('p', null, code), streams.map((name) => [h('p', { class: 'quiet' }, name), h('pre', { class: name, tabindex: 0 }, told[name])])];
}

/** `as`: whose task it is, if not the user's own. */
export function mount(root, id, me, as) {
  const [state, about, progress] = [h('span'), h('dl', { class: 'facts' }), h('div', { class: 'progress' })];
  const [steps, stepsNote] = [h('ol', { class: 'steps' }), h('p', { class: 'quiet' })];
  const [asked, result, said, lost] = [h('div'), h('div'), h('p', { class: 'error', role: 'alert' }), h('p', { class: 'error' })];
  const mayChange = me.role !== 'VIEWER';
  const cancel = h('button', { type: 'button', class: 'danger', hidden: true, id: 'cancel' }, t('cancel'));
  const retry = h('button', { type: 'button', hidden: true, id: 'retry' }, t('retry'));
  const spoken = output(id, as);
  root.replaceChildren(
    h('div', { class: 'heading' }, h('h1', null, t('task'), ' ', h('code', null, id)), state, mayChange && [cancel, retry]),
    said, lost, progress, about,
    h('div', { class: 'columns' }, part(t('what_happened'), steps, stepsNote), part(t('result'), result)),
    part(t('output'), spoken.element), part(t('asked_for'), asked));
  let [known, isReading] = ['', false];
  const refused = (failure) => { if (!failure.isPassing) put(lost, reason(failure)); };

  async function act(button, path, body) {
    button.disabled = true;
    said.textContent = '';
    try {
      return await net.act(path, body, as);
    } catch (failure) {
      said.textContent = reason(failure);
      return null;
    } finally {
      button.disabled = false;
    }
  }
  cancel.addEventListener('click', async () => {
    const done = await act(cancel, `tasks/${id}/cancel`, {});
    if (done) { say(t('cancelled')); await update({ now: Date.now() }); }
  });
  const repetition = newId();
  retry.addEventListener('click', async () => {
    const done = await act(retry, `tasks/${id}/retry`, { new_task_id: repetition });
    if (done) window.location.hash = toTask(done.task.task_id, as);
  });

  /** The history is read from the disk, so only when something has happened. */
  async function changed(task) {
    const [whole, told] = await Promise.all([net.ask(`tasks/${id}?whole`, { as }), net.ask(`tasks/${id}/steps`, { within: HISTORY_MS, as })]);
    result.replaceChildren(...[ENDS.includes(task.state) ? outcome(task, whole.result) : h('p', { class: 'empty' }, t('not_yet'))].flat(9).filter(Boolean));
    if (whole.asked) asked.replaceChildren(...[content(whole.asked.payload)].flat().filter(Boolean));
    else if (!asked.children.length) asked.replaceChildren(h('p', { class: 'empty' }, t('forgotten')));
    keyed(steps, told.steps, (s) => `${s.journal_index} ${s.what}`, step);
    put(stepsNote, told.is_cut ? t('steps_cut') : '');
  }

  function outcome(task, value) {
    const program = value?.text && printed(value);
    if (program) return program;
    if (value?.is_blob) return h('p', { class: 'empty' }, t('large_result', bytes(value.bytes), id));
    return content(value);
  }

  async function look(now) {
    const { task } = await net.ask(`tasks/${id}`, { as });
    const isOver = ENDS.includes(task.state);
    state.replaceChildren(badge(task.state));
    keyed(about, facts(task, now), ([name]) => name, fact, factMark);
    cancel.hidden = isOver;
    retry.hidden = !RETRIED.includes(task.state) || Boolean(task.retried_as);
    const done = task.progress?.fraction;
    progress.replaceChildren(...(done === undefined ? [] : [h('progress', { value: done, max: 1, 'aria-label': t('progress') }), h('span', null, `${Math.round(done * 100)} % ${task.progress.message}`)]));
    const mark = `${task.state} ${task.attempt} ${net.whereNow()}`;
    if (mark !== known && !isReading) {
      if (known && isOver) say(t('task_is', word('state', task.state)));
      isReading = true;
      // It may take long, and the rest goes on meanwhile.
      changed(task).then(() => { known = mark; }, refused).finally(() => { isReading = false; });
    }
    spoken.follow(net.whereNow(), isOver);
  }

  async function update({ now }) {
    try {
      await look(now);
      lost.textContent = '';
    } catch (failure) {
      refused(failure);
    }
  }
  return { update, leave: () => spoken.stop() };
}
