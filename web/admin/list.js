// A list that is read a page at a time, and the small parts that the places share.

import { h, button, busy, notice } from '../shared/ui.js';

/**
 * Reads pages with `read(offset)` and shows each item with `row(item)`. Returns `{root, load}`; `load` begins anew, and
 * an answer that is overtaken by a later one is dropped.
 */
export function pagedList({ read, row, empty, test }) {
  let items = [];
  let run = 0;
  const list = h('ul', { class: 'rows card', test, 'aria-busy': 'true' });
  const more = button('Show more', { kind: 'quiet small', test: `${test}-more`, on: () => busy(more, () => page(items.length)) });
  more.hidden = true;

  async function page(offset) {
    const mine = ++run;
    const found = await read(offset);
    if (mine !== run) return;
    // What came or went meanwhile shifts the pages: the same one is never shown twice.
    const known = offset === 0 ? [] : items;
    items = [...known, ...found.items.filter((item) => !known.some((other) => other.id === item.id))];
    list.replaceChildren(...items.map(row));
    if (items.length === 0) list.append(h('li', { class: 'empty' }, empty));
    list.removeAttribute('aria-busy');
    more.hidden = !found.has_more;
  }

  async function load() {
    try {
      await page(0);
    } catch (error) {
      notice(error.message, 'bad');
    }
  }

  return { root: h('div', { class: 'stack' }, list, more), load };
}

/** A switch that shows what the server says: it goes back when the change was refused. */
export function toggle(label, checked, test, change) {
  const input = h('input', { type: 'checkbox', role: 'switch', test, checked });
  input.addEventListener('change', async () => {
    const wanted = input.checked;
    input.disabled = true;
    try {
      await change(wanted);
    } catch (error) {
      input.checked = !wanted;
      notice(error.message, 'bad');
    } finally {
      input.disabled = false;
    }
  });
  return h('label', { class: 'switch' }, input, label);
}

/** What a field says: trimmed, and null where it is empty. */
export function textOf(input) {
  return input.value.trim() || null;
}

/** Sends a form that stays filled until the server has taken it. */
export function sending(form, submit, work) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    busy(submit, work);
  });
  return form;
}
