// A small form for one task. The page chooses its id, so that sending it twice is submitting it once.

import { h, field } from './dom.js';
import * as net from './net.js';
import { reason, toTask } from './format.js';
import { t } from './text.js';

const EXAMPLES = {
  simulated: '{ "description": "demo", "seconds": 5 }',
  echo: 'mutirão',
  command: '{ "argv": ["sh", "-c", "for i in 1 2 3; do echo passo $i; sleep 1; done"] }',
  mandelbrot: '{ "width": 64, "height": 64, "x": 0, "y": 0, "tile_width": 64, "tile_height": 64, "center_re": -0.5, "center_im": 0, "scale": 3, "max_iterations": 200 }',
};

/** A UUID of version 7. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let ms = Date.now();
  for (let nth = 5; nth >= 0; nth -= 1) [bytes[nth], ms] = [ms % 256, Math.floor(ms / 256)];
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export const title = () => t('submit');

export function mount(root, as) {
  let id = newId();
  const handler = h('select', { name: 'handler', required: true });
  const payload = h('textarea', { name: 'payload', rows: 7, spellcheck: 'false' });
  const queue = h('input', { name: 'queue', placeholder: 'default' });
  const priority = h('input', { name: 'priority', type: 'number', min: -128, max: 127, value: 0 });
  const group = h('input', { name: 'group' });
  const said = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { class: 'main', type: 'submit' }, t('submit'));
  let [isTyped, offered] = [false, ''];
  payload.addEventListener('input', () => { isTyped = payload.value !== ''; });
  const example = () => { if (!isTyped) payload.value = EXAMPLES[handler.value] ?? ''; };
  handler.addEventListener('change', example);
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    said.textContent = '';
    try {
      const { task } = await net.act('tasks', {
        task_id: id, handler: handler.value, payload: payload.value,
        queue: queue.value.trim(), group: group.value.trim(), priority: Number(priority.value),
      }, as);
      window.location.hash = toTask(task.task_id, as);
    } catch (failure) {
      said.textContent = reason(failure);
      // What is sent next may be another task.
      id = newId();
    }
    button.disabled = false;
  }
  root.replaceChildren(h('h1', null, t('submit')), ...(as ? [h('p', { class: 'quiet' }, t('submit_as', as))] : []), h('form', { class: 'part form', onsubmit: submit },
    field(t('handler'), handler), field(t('payload'), payload, t('payload_hint')),
    h('div', { class: 'row' }, field(t('queue'), queue), field(t('priority'), priority), field(t('group'), group)),
    button, said));

  function update({ cluster }) {
    const names = [...new Set(cluster.workers.flatMap((worker) => worker.handlers))].sort();
    if (names.join() === offered) return;
    const chosen = handler.value || (names.includes('simulated') ? 'simulated' : names[0]);
    offered = names.join();
    handler.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
    if (names.includes(chosen)) handler.value = chosen;
    example();
  }
  return { update };
}
