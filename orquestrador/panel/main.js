// Puts the page together: where it is, what it shows, and the one loop that keeps it up to date.

import { h, put, say } from './dom.js';
import * as net from './net.js';
import * as seen from './figures.js';
import * as login from './login.js';
import * as overview from './overview.js';
import * as tasks from './tasks.js';
import * as task from './task.js';
import * as submit from './submit.js';
import * as workers from './workers.js';
import * as queues from './queues.js';
import * as history from './history.js';
import { place, reason } from './format.js';
import { lang, setLang, t } from './text.js';

const LOOK_MS = 1500;
const LOST_MS = 500;
const HIDDEN_MS = 10000;
const THEME = 'mutirao-theme';
const THEMES = ['auto', 'light', 'dark'];

const [top, banner, main] = ['top', 'banner', 'main'].map((id) => document.getElementById(id));
const where = h('span', { id: 'principal', class: 'pill' });
let me = null;
let view = null;
let state = null;
let timer = null;
let isLooking = false;
/** Why whoever was here has to sign in again. */
let out = '';

const PAGES = [['', overview], ['tasks', tasks], ['workers', workers], ['queues', queues], ['history', history]];

/** The part of the address behind `#/`, and what it asks for. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    // Typed by hand, and nothing that anybody calls so.
    return part;
  }
}

function address() {
  const [path, query] = window.location.hash.replace(/^#\/?/, '').split('?');
  return { path: path.split('/').map(decoded), query: new URLSearchParams(query) };
}

function show({ isNew = false } = {}) {
  view?.leave?.();
  const { path: [page, id], query } = address();
  header(page);
  if (!net.isKnown() || !me) {
    view = null;
    login.mount(main, (known) => { [me, out] = [known, '']; show({ isNew: true }); look(); }, out);
    document.title = `${login.title()} · Mutirão`;
    return;
  }
  const shown = page === 'tasks' && id ? task : [...PAGES, ...(me.role === 'VIEWER' ? [] : [['submit', submit]])].find(([name]) => name === page)?.[1] ?? overview;
  const as = query.get('user') ?? '';
  if (shown === task) view = task.mount(main, id, me, as);
  else if (shown === submit) view = submit.mount(main, as);
  else if (shown === tasks) view = tasks.mount(main, query, me);
  else view = shown.mount(main, me);
  document.title = `${shown.title()} · Mutirão`;
  if (state) view.update({ ...state, now: Date.now() });
  if (isNew) main.focus({ preventScroll: true });
}

function header(page) {
  put(document.getElementById('skip'), t('skip'));
  const link = ([name, of]) => h('a', { href: `#/${name}`, 'aria-current': name === page ? 'page' : null }, of.title());
  const language = h('button', { type: 'button', id: 'lang', 'aria-label': t('other_language'), lang: lang() === 'pt' ? 'en' : 'pt-BR',
    onclick: () => { setLang(lang() === 'pt' ? 'en' : 'pt'); show(); tell(); document.getElementById('lang').focus(); } }, lang() === 'pt' ? 'English' : 'Português');
  const theme = h('button', { type: 'button', id: 'theme', onclick: () => { paint(nextTheme()); show(); document.getElementById('theme').focus(); } },
    t(`theme_${currentTheme()}`));
  const leave = () => { net.leave(); [me, state, out] = [null, null, '']; clearTimeout(timer); show(); };
  top.replaceChildren(
    h('div', { class: 'bar' },
      h('a', { class: 'brand', href: '#/' }, h('img', { src: 'icon.svg', alt: '', width: 24, height: 24 }), 'Mutirão'),
      me && h('nav', { 'aria-label': t('parts') }, PAGES.map(link)),
      me && where,
      h('div', { class: 'tools' }, language, theme,
        me && h('span', { class: 'who' }, `${net.user()} · ${t(`role_${me.role.toLowerCase()}`)}`), me && h('button', { type: 'button', id: 'leave', onclick: leave }, t('leave')))));
}

function currentTheme() {
  const kept = localStorage.getItem(THEME);
  return THEMES.includes(kept) ? kept : 'auto';
}
const nextTheme = () => THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
function paint(theme) {
  localStorage.setItem(THEME, theme);
  document.documentElement.dataset.theme = theme;
}

/** What everybody sees on every page. */
function tell(failure) {
  if (state) {
    where.replaceChildren(h('i', { 'aria-hidden': 'true' }), ` ${t('principal')} ${place(state.address)} · ${t('epoch_n', state.cluster.epoch)}`);
    where.classList.toggle('lost', Boolean(failure));
  }
  banner.hidden = !failure;
  if (failure) put(banner, failure.isPassing ? t('no_principal') : reason(failure));
}

async function look() {
  clearTimeout(timer);
  if (!net.isKnown() || isLooking) return;
  isLooking = true;
  const pause = await lookOnce();
  isLooking = false;
  if (pause) timer = setTimeout(look, document.hidden ? HIDDEN_MS : pause);
}

/** Gives how long to wait for the next look; nothing where there is nobody to look for. */
async function lookOnce() {
  try {
    const cluster = await net.cluster();
    const figures = seen.parse(await net.text('figures'));
    me ??= await net.ask('me');
    // Whoever left meanwhile wants to see nothing of it.
    if (!net.isKnown()) return 0;
    const now = Date.now();
    seen.note(cluster, figures, now);
    const answering = cluster.nodes.find((node) => node.answering);
    if (state && state.node !== answering.node_id) say(t('took_over', place(answering.address)));
    const isFirst = !state;
    state = { cluster, figures, now, node: answering.node_id, address: answering.address };
    tell();
    if (isFirst && !view) show();
    else await view?.update(state);
  } catch (failure) {
    if (!net.isKnown()) return 0;
    if (failure.status === 401) {
      net.leave();
      [me, state, out] = [null, null, failure.code];
      show();
      return 0;
    }
    tell(failure.isPassing === undefined ? { isPassing: false, code: 'PAGE', message: String(failure) } : failure);
    if (!me && !state) show();
    return LOST_MS;
  }
  return LOOK_MS;
}

setLang(lang());
paint(currentTheme());
window.addEventListener('hashchange', () => show({ isNew: true }));
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
if (net.isKnown()) look();
else show();
