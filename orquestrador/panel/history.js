// Who was principal, since when and why: what the orchestrators recorded, and what this page saw.

import { h, keyed, part, put, table } from './dom.js';
import * as net from './net.js';
import * as seen from './figures.js';
import { moment, place, reason, span } from './format.js';
import { t, word } from './text.js';

export const title = () => t('history');

export function mount(root) {
  const verdict = h('p', { class: 'verdict' });
  const witnesses = h('p', { class: 'quiet' });
  const { body, whole } = table(t('views'), [[t('when'), 'num'], [t('view'), 'num'], [t('epoch'), 'num'], [t('cause')], [t('principal')],
    [t('orchestrators'), 'num'], [t('witnesses'), 'num']]);
  const mine = h('ol', { class: 'steps' });
  const failed = h('p', { class: 'error', role: 'alert' });
  root.replaceChildren(h('h1', null, t('history')),
    part(t('failover_now'), verdict, witnesses), part(t('seen_here'), mine), part(t('views'), whole), failed);

  function changed(change) {
    return h('li', { class: 'step is-assigned' }, h('time', null, moment(change.at)),
      h('strong', null, t('took_over', place(change.to))),
      h('span', null, t('instead_of', place(change.from))),
      h('span', { class: 'quiet' }, `${t('epoch_n', change.epoch)} · ${t('within', span(change.at - change.since))}`));
  }

  async function look() {
    const told = await net.ask('history');
    put(verdict, word('failover', told.failover));
    const alive = told.witnesses.filter((witness) => witness.alive).length;
    const critical = told.critical_hosts.length ? ` · ${t('critical', told.critical_hosts.join(', '))}` : '';
    // Where etcd decides there are none.
    const decides = told.failover.includes('ENGINE') ? '' : t('witnesses_alive', alive, told.witnesses.length);
    put(witnesses, `${decides}${critical}`);
    keyed(body, told.views.toReversed(), (view) => view.view, (view) => h('tr', null,
      h('td', { class: 'num' }, moment(view.at_ms)), h('td', { class: 'num' }, view.view), h('td', { class: 'num' }, view.epoch),
      h('td', null, word('cause', view.cause)), h('td', null, place(seen.places.get(view.principal_node) ?? view.principal_node.slice(0, 8))),
      h('td', { class: 'num' }, view.replicas), h('td', { class: 'num' }, view.witnesses)));
  }

  async function update() {
    keyed(mine, seen.changes.toReversed(), (change) => change.at, changed);
    if (!seen.changes.length) mine.replaceChildren(h('li', { class: 'empty' }, t('none_seen')));
    try {
      await look();
      failed.textContent = '';
    } catch (failure) {
      if (!failure.isPassing) failed.textContent = reason(failure);
    }
  }
  return { update };
}
