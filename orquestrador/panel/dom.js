// Elements from data. Everything that is shown goes in as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, String(value));
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element: `h('p', { class: 'x', onclick: f }, 'text', other)`. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Says something to those who listen rather than look. */
export function say(text) {
  document.getElementById('said').textContent = text;
}

/** Sets a text only where it differs, so that a reader is not disturbed. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, by key. What has not changed stays, with its focus.
 * `make(item)` gives the element; `mark(item)` what it depends on.
 */
export function keyed(parent, items, key, make, mark = JSON.stringify) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const [name, sign] = [String(key(item)), mark(item)];
    let element = known.get(name);
    known.delete(name);
    if (!element || element.dataset.mark !== sign) {
      const made = make(item);
      made.dataset.key = name;
      made.dataset.mark = sign;
      label(made, parent.heads);
      if (element) {
        const had = element.contains(document.activeElement) ? focused(element) : null;
        if (at === element) at = made;
        element.replaceWith(made);
        had?.(made);
      }
      element = made;
    }
    if (at === element) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  known.forEach((gone) => gone.remove());
}

/** On a telephone each cell says itself what its column says. Then it looks like no table, and yet is one. */
function label(row, heads) {
  if (!heads) return;
  row.setAttribute('role', 'row');
  [...row.children].forEach((cell, nth) => {
    cell.setAttribute('role', cell.matches('th') ? 'rowheader' : 'cell');
    cell.dataset.head = heads[nth];
  });
}

/** How to give the focus back to what takes the place. */
function focused(element) {
  const all = (of) => [...of.querySelectorAll('a, button, input, select')];
  const nth = all(element).indexOf(document.activeElement);
  return (made) => all(made)[nth]?.focus();
}

/** A table with a caption; `columns` are `[heading, class]`. Gives it with its body. */
export function table(caption, columns) {
  const body = h('tbody', { role: 'rowgroup' });
  body.heads = columns.map(([name]) => name);
  const head = columns.map(([name, kind]) => h('th', { scope: 'col', role: 'columnheader', class: kind }, name));
  const whole = h('table', { role: 'table' }, h('caption', { class: 'unseen' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head)), body);
  // Wide ones scroll by themselves, by keyboard too.
  return { body, whole: h('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': caption }, whole) };
}

/** A part of a page with its heading. */
export function part(title, ...children) {
  return h('section', { class: 'part' }, h('h2', null, title), children);
}

/** A field with its label. */
export function field(label, input, hint) {
  return h('label', { class: 'field' }, h('span', null, label), input, hint && h('small', null, hint));
}
