// An input that suggests while somebody types: a combobox with a list below it.

import { h } from './ui.js';

const PAUSE_MS = 220;
let lists = 0;

/**
 * Wraps `input`. `search(text)` resolves with suggestions `{label, hint}`; picking one puts its label
 * into the input. What is typed stays, whether it was suggested or not.
 */
export function typeahead(input, { search, test }) {
  const id = `suggestions-${++lists}`;
  const list = h('ul', { id, role: 'listbox', class: 'suggestions', hidden: true, test });
  let timer = null;
  let asked = 0;
  let chosen = -1;

  for (const [name, value] of Object.entries({
    role: 'combobox',
    autocomplete: 'off',
    'aria-autocomplete': 'list',
    'aria-expanded': 'false',
    'aria-controls': id,
  })) {
    input.setAttribute(name, value);
  }
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  });
  input.addEventListener('keydown', onKey);
  // A click on a suggestion comes before the list goes.
  input.addEventListener('blur', () => setTimeout(close, 150));

  async function suggest() {
    const text = input.value.trim();
    const turn = ++asked;
    if (text.length < 2) return close();
    let found;
    try {
      found = await search(text);
    } catch {
      found = [];
    }
    // An answer that came late is of no use any more.
    if (turn !== asked || document.activeElement !== input) return undefined;
    return show(found);
  }

  function show(found) {
    chosen = -1;
    input.removeAttribute('aria-activedescendant');
    list.replaceChildren(
      ...found.map((item, place) =>
        h(
          'li',
          { id: `${id}-${place}`, role: 'option', test: 'suggestion', 'aria-selected': 'false', on: { mousedown: (event) => pick(event, item) } },
          h('span', {}, item.label),
          item.hint ? h('small', { class: 'muted' }, item.hint) : null,
        ),
      ),
    );
    list.hidden = found.length === 0;
    input.setAttribute('aria-expanded', String(!list.hidden));
    list.items = found;
  }

  function pick(event, item) {
    event?.preventDefault();
    input.value = item.label;
    input.dispatchEvent(new Event('change', { bubbles: true }));
    close();
  }

  function close() {
    asked += 1;
    clearTimeout(timer);
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }

  function onKey(event) {
    if (list.hidden) return;
    const count = list.children.length;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      move((chosen + (event.key === 'ArrowDown' ? 1 : -1) + count) % count);
    } else if (event.key === 'Enter' && chosen >= 0) {
      pick(event, list.items[chosen]);
    } else if (event.key === 'Escape') {
      // The list closes, not the dialog around it.
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  }

  function move(to) {
    chosen = to;
    [...list.children].forEach((option, place) => option.setAttribute('aria-selected', String(place === to)));
    input.setAttribute('aria-activedescendant', `${id}-${to}`);
    list.children[to].scrollIntoView({ block: 'nearest' });
  }

  return h('div', { class: 'typeahead' }, input, list);
}
