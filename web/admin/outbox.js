// The outbox: what could not be sent and waits for somebody to look (docs/operations.md).

import { h, button, busy, notice } from '../shared/ui.js';
import { dayOf, timeOfDay } from '../shared/format.js';

const EVERY_MS = 5_000;
const NAMES = { push: 'Pushes', 'push.bulk': 'Pushes of announcements', 'push.broadcast': 'Announcements' };
const whenOf = (iso) => `${dayOf(iso)}, ${timeOfDay(iso)}`;

export function outboxView({ api }) {
  let timer = null;
  let gone = false;
  const figures = h('div', { class: 'figures' });
  const list = h('ul', { class: 'rows card', test: 'letters', 'aria-busy': 'true' });
  const all = button('Try all again', { kind: 'soft small', test: 'retry-all', on: () => busy(all, () => retry({})) });
  all.hidden = true;

  async function load() {
    const found = await api.get('/operations/outbox', { state: 'dead', limit: 1000 });
    if (gone) return;
    figures.replaceChildren(...found.figures.map(figure));
    list.replaceChildren(...found.items.map(row));
    if (found.items.length === 0) list.append(h('li', { class: 'empty', test: 'no-letters' }, 'Everything has been sent.'));
    list.removeAttribute('aria-busy');
    all.hidden = found.items.length < 2;
  }

  /** Nobody's work is disturbed: while a button of the list has the focus, it is left as it is. */
  async function look() {
    const isWatched = document.visibilityState === 'visible' && !list.contains(document.activeElement);
    try {
      if (isWatched) await load();
    } catch {
      // The next look may succeed; what is shown is a little old until then.
    }
    if (!gone) timer = setTimeout(look, EVERY_MS);
  }

  async function retry(which) {
    const { retried } = await api.post('/operations/outbox/retry', which);
    notice(retried === 0 ? 'None of them is of use any more.' : `${retried} to be tried again.`);
    await load();
  }

  function figure({ kind, waiting, dead }) {
    return h(
      'div',
      { class: 'card', test: 'figure', 'data-kind': kind, 'data-dead': dead > 0 },
      h('span', { class: 'muted' }, NAMES[kind] ?? kind),
      h('b', {}, String(dead)),
      h('small', { class: 'muted' }, `dead, ${waiting} waiting`),
    );
  }

  function row(item) {
    const again = button('Try again', { kind: 'soft small', test: 'retry', on: () => busy(again, () => retry({ id: item.id })) });
    const facts = [`since ${whenOf(item.created_at)}`, `${item.attempts} ${item.attempts === 1 ? 'attempt' : 'attempts'}`];
    return h(
      'li',
      { test: 'letter', 'data-id': String(item.id) },
      h(
        'div',
        { class: 'grow' },
        h('strong', {}, `${NAMES[item.kind] ?? item.kind}, no. ${item.id}`),
        h('p', {}, item.last_error ?? 'No reason was given'),
        h('p', { class: 'muted' }, facts.join(' · ')),
      ),
      again,
    );
  }

  async function start() {
    try {
      await load();
    } catch (error) {
      notice(error.message, 'bad');
    }
    if (!gone) timer = setTimeout(look, EVERY_MS);
  }

  start();
  return {
    root: h(
      'div',
      { class: 'page stack' },
      h('div', { class: 'row between' }, h('h1', {}, 'Dead letters'), all),
      h('p', { class: 'muted' }, 'What was refused, or tried for an hour in vain. Letters are kept for 30 days.'),
      figures,
      list,
    ),
    dispose() {
      gone = true;
      clearTimeout(timer);
    },
  };
}
