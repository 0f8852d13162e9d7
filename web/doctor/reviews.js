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

/** The latest reviews, read when they are wanted. */
export function reviewsList({ api }) {
  let items = [];
  let run = 0;
  const list = h('ul', { class: 'reviews', test: 'reviews' });
  const more = button('Show more', { kind: 'quiet small', on: () => busy(more, () => read(items.length)) });
  more.hidden = true;
  const root = h('details', { class: 'desk-reviews', on: { toggle: () => load() } }, h('summary', { test: 'open-reviews' }, h('h2', {}, 'Reviews')), list, more);

  async function read(offset) {
    const mine = ++run;
    const page = await api.get('/doctors/me/reviews', { limit: PAGE, offset });
    if (mine !== run) return;
    // What came meanwhile shifts the pages: the same one is never shown twice.
    const known = offset === 0 ? [] : items;
    const fresh = page.items.filter((item) => !known.some((other) => other.id === item.id));
    items = [...known, ...fresh];
    if (offset === 0) list.replaceChildren();
    list.append(...fresh.map((item) => reviewCard(api, item, { tag: 'li', test: 'review-row' })));
    if (items.length === 0) list.append(h('li', { class: 'muted empty' }, 'Nobody has left one yet.'));
    more.hidden = !page.has_more;
  }

  async function load() {
    if (root.open) await read(0).catch((error) => notice(error.message, 'bad'));
  }

  return { root, load };
}
