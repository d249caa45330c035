// Queues: how they stand; administrators pause and resume them.

import { h, keyed, table, say } from './dom.js';
import * as net from './net.js';
import { number, reason } from './format.js';
import { t } from './text.js';

export const title = () => t('queues');

export function mount(root, me) {
  const isAdmin = me.role === 'ADMIN';
  const { body, whole } = table(t('queues'), [[t('queue')], [t('state')], [t('state_queued'), 'num'], [t('state_running'), 'num'],
    [t('weight'), 'num'], [t('max_running'), 'num'], ...(isAdmin ? [[t('change')]] : [])]);
  const [empty, failed] = [h('p', { class: 'empty', hidden: true }, t('no_queues')), h('p', { class: 'error', role: 'alert' })];
  root.replaceChildren(h('h1', null, t('queues')), whole, empty, failed);

  async function toggle(queue, button) {
    button.disabled = true;
    try {
      await net.act(`queues/${encodeURIComponent(queue.queue)}`, { paused: !queue.paused });
      say(t(queue.paused ? 'queue_resumed' : 'queue_paused', queue.queue));
      await look();
    } catch (failure) {
      failed.textContent = reason(failure);
    }
    button.disabled = false;
  }

  function row(queue) {
    const button = h('button', { type: 'button', onclick: () => toggle(queue, button) }, queue.paused ? t('resume') : t('pause'));
    return h('tr', null,
      h('th', { scope: 'row' }, h('a', { href: `#/tasks?queue=${encodeURIComponent(queue.queue)}` }, queue.queue)),
      h('td', null, h('span', { class: `badge ${queue.paused ? 'is-draining' : 'is-ok'}` }, queue.paused ? t('paused') : t('open'))),
      h('td', { class: 'num' }, number(queue.queued)), h('td', { class: 'num' }, number(queue.running)),
      h('td', { class: 'num' }, queue.weight), h('td', { class: 'num' }, queue.max_running ?? '—'),
      isAdmin && h('td', null, button));
  }

  async function look() {
    const { queues } = await net.ask('queues');
    keyed(body, queues, (queue) => queue.queue, row);
    empty.hidden = queues.length > 0;
  }

  async function update() {
    try {
      await look();
      failed.textContent = '';
    } catch (failure) {
      if (!failure.isPassing) failed.textContent = reason(failure);
    }
  }
  return { update };
}
