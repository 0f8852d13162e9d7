// What patients say of the doctor, and the doctor's replies (connect-v2 26 to 28, 72).

import { h, button, busy, field, notice } from '../shared/ui.js';
import { dayOf } from '../shared/format.js';
import { formDialog } from '../shared/dialog.js';
import { starsView } from '../shared/stars.js';

const PAGE = 10;
const MOST_A_DAY = 100;

/** One review with its reply; `item` is one of 26. */
function reviewCard(api, item, { tag = 'div', test }) {
  let { reply } = item;
  const root = h(tag, { class: 'review', test });

  async function write() {
    const words = h('textarea', { name: 'text', rows: 4, maxlength: 1000, required: true, test: 'reply-text' }, reply?.text ?? '');
    const saved = await formDialog({
      title: reply ? 'Change the reply' : 'Reply to the review',
      lead: 'Everybody can read it.',
      fields: [field('Your reply', words)],
      confirm: 'Publish',
      test: 'reply-form',
      save: () => publish(words.value.trim()),
    });
    if (saved) root.querySelector('button').focus({ preventScroll: true });
  }

  async function publish(text) {
    if (!text) throw new Error('Please write something.');
    const path = `/doctors/me/reviews/${item.id}/reply`;
    try {
      reply = await api.request(reply ? 'PUT' : 'POST', path, { body: { text } });
    } catch (error) {
      throw error.code === 'REPLY_EXISTS' ? new Error('This review has a reply already. Open it anew to change it.') : error;
    }
    render();
  }

  function render() {
    root.replaceChildren(
      ...[
        h('div', { class: 'row between' }, starsView(item.rating), h('small', { class: 'muted' }, dayOf(item.created_at))),
        item.comment ? h('p', { class: 'quoted', dir: 'auto', test: 'review-text' }, item.comment) : null,
        reply ? h('p', { class: 'quoted reply', dir: 'auto', test: 'review-reply' }, h('strong', {}, 'You: '), reply.text) : null,
        button(reply ? 'Change the reply' : 'Reply', { kind: 'quiet small', test: 'reply', on: write }),
      ].filter(Boolean),
    );
  }

  render();
  return root;
}

/** The review of one consultation, once there is one. */
export function sessionReview({ api, sessionId }) {
  const root = h('section', { class: 'session-review', 'aria-label': 'Review', test: 'review', hidden: true });
  let shown = null;

  async function load() {
    const review = await api.get(`/connect/sessions/${sessionId}/review`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    // It never changes once it is there, and a reply is written here.
    if (!review || shown === review.id) return;
    // The reply stands in the doctor's own list alone.
    const day = review.created_at.slice(0, 10);
    const { items } = await api.get('/doctors/me/reviews', { date_from: day, date_to: day, limit: MOST_A_DAY });
    const item = items.find((one) => one.id === review.id) ?? { ...review, reply: null };
    shown = review.id;
    root.hidden = false;
    root.replaceChildren(h('h3', {}, 'Review'), reviewCard(api, item, { test: 'session-review' }));
  }

  return { root, load, dispose() {} };
}

/** The latest reviews, read when they are wanted. Cards stay while they are shown: somebody may be replying. */
export function reviewsList({ api }) {
  const cards = new Map();
  let run = 0;
  const list = h('ul', { class: 'reviews', test: 'reviews' });
  const more = button('Show more', { kind: 'quiet small', on: () => busy(more, readOlder) });
  more.hidden = true;
  const empty = h('li', { class: 'muted empty' }, 'Nobody has left one yet.');
  const root = h('details', { class: 'desk-reviews', on: { toggle: begin } }, h('summary', { test: 'open-reviews' }, h('h2', {}, 'Reviews')), list, more);

  const read = (offset) => api.get('/doctors/me/reviews', { limit: PAGE, offset });

  /** Opened: anew, with what was replied elsewhere. */
  function begin() {
    run += 1;
    cards.clear();
    list.replaceChildren();
    more.hidden = true;
    return load();
  }

  /** What is not shown yet goes on top; the rest stays as it is. */
  async function readNewer() {
    const mine = run;
    const isFirst = cards.size === 0;
    const found = [];
    let page;
    do {
      page = await read(found.length);
      if (mine !== run) return;
      found.push(...page.items);
    } while (!isFirst && page.has_more && !page.items.some(({ id }) => cards.has(id)));
    // Another reading may have been faster: then it has said whether there is more.
    if (isFirst && cards.size === 0) more.hidden = !page.has_more;
    list.prepend(...fresh(found));
    if (cards.size === 0) list.replaceChildren(empty);
    else empty.remove();
  }

  async function readOlder() {
    const mine = run;
    const page = await read(cards.size);
    if (mine !== run) return;
    list.append(...fresh(page.items));
    more.hidden = !page.has_more;
  }

  /** Cards of those that have none. What came meanwhile shifts the pages: the same one is never shown twice. */
  function fresh(items) {
    const made = [];
    for (const item of items) {
      if (cards.has(item.id)) continue;
      const card = reviewCard(api, item, { tag: 'li', test: 'review-row' });
      cards.set(item.id, card);
      made.push(card);
    }
    return made;
  }

  async function load() {
    if (root.open) await readNewer().catch((error) => notice(error.message, 'bad'));
  }

  return { root, load };
}
