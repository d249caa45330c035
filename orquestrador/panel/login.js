// Who are you?

import { h, field } from './dom.js';
import * as net from './net.js';
import { reason } from './format.js';
import { t } from './text.js';

export const title = () => t('enter');

/** `entered` is called when the cluster knows the user. `out`: the code for which whoever was here is out. */
export function mount(root, entered, out = '') {
  const user = h('input', { name: 'user', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' });
  const token = h('input', { name: 'token', type: 'password', autocomplete: 'current-password', required: true });
  const said = h('p', { class: 'error', role: 'alert', id: 'login-error' }, out && t(`out_${out.toLowerCase()}`));
  const button = h('button', { class: 'main', type: 'submit' }, t('enter'));
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    said.textContent = '';
    net.enter({ user: user.value.trim(), token: token.value });
    try {
      await net.find();
      const me = await net.ask('me');
      entered(me);
    } catch (failure) {
      net.leave();
      said.textContent = reason(failure);
      token.select();
      token.focus();
    }
    button.disabled = false;
  }
  root.replaceChildren(h('form', { class: 'login part', onsubmit: submit },
    h('h1', null, 'Mutirão'), h('p', { class: 'quiet' }, t('login_lead')),
    field(t('user'), user), field(t('token'), token), button, said));
  user.focus();
}
