// What a task says, as it says it. A stream that breaks is taken up at whoever is principal then, from where it broke.

import { h } from './dom.js';
import * as net from './net.js';
import { t } from './text.js';

const SHOWN_CHARS = 200000;

function decoded(data) {
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}

/** Lines of JSON, one at a time. */
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    for (const line of parts) yield JSON.parse(line);
  }
}

/** The place for it, and how it is followed; `as`: whose task it is. */
export function output(id, as) {
  const shown = h('pre', { class: 'output', tabindex: 0, role: 'log', 'aria-label': t('output') });
  const empty = h('p', { class: 'empty' }, t('says_nothing'));
  const heard = { attempt: 0, stdout: 0, stderr: 0 };
  let decoders = {};
  let [stop, at, isOver] = [null, null, false];

  function take({ attempt, stream, offset, data }) {
    if (attempt !== heard.attempt) {
      Object.assign(heard, { attempt, stdout: 0, stderr: 0 });
      decoders = {};
      shown.replaceChildren();
    }
    const bytes = decoded(data);
    if (offset > heard[stream]) shown.append(h('i', null, t('gap'), '\n'));
    heard[stream] = offset + bytes.length;
    decoders[stream] ??= new TextDecoder();
    const text = decoders[stream].decode(bytes, { stream: true });
    const isBelow = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - 20;
    shown.append(h('span', { class: stream }, text));
    empty.hidden = true;
    while (shown.textContent.length > SHOWN_CHARS && shown.children.length > 1) shown.firstElementChild.remove();
    if (isBelow) shown.scrollTop = shown.scrollHeight;
  }

  async function run(signal) {
    const { attempt, stdout, stderr } = heard;
    const response = await net.stream(`tasks/${id}/output?attempt=${attempt}&stdout=${stdout}&stderr=${stderr}`, { signal, as });
    if (!response.ok) return;
    for await (const told of lines(response)) told.pieces?.forEach(take);
  }

  /** Called with every look at the task. */
  function follow(where, over) {
    // Once more after the end: what was said last.
    const isNew = at !== where || (over && !isOver);
    [at, isOver] = [where, over];
    if (stop && !isNew) return;
    if (!stop && over && !isNew) return;
    stop?.abort();
    const mine = new AbortController();
    stop = mine;
    // A break is no news: the next look begins anew.
    run(mine.signal).catch(() => {}).finally(() => { if (stop === mine) stop = null; });
  }
  return { element: h('div', null, shown, empty), follow, stop: () => stop?.abort() };
}
