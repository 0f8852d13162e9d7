// The patient's review of a consultation: left once, then shown with what the doctor replies (connect-v2 17, 72, 85).

import { h, button, busy, field } from '../shared/ui.js';
import { starsInput, starsView } from '../shared/stars.js';

const PAGE = 100;
const MOST_PAGES = 5;

export function reviewView({ api, session }) {
  const root = h('section', { class: 'card stack', 'aria-labelledby': 'h-review', test: 'review', hidden: true });
  const title = h('h2', { id: 'h-review', tabindex: '-1' });
  let review = null;

  async function load() {
    if (session.status !== 'ENDED') return;
    review = await api.get(`/connect/sessions/${session.id}/review`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    await showIt();
  }

  async function showIt() {
    const reply = review && (await findReply(api, review));
    render(reply);
  }

  function render(reply) {
    // Read again after a gap: what somebody is writing stays.
    if (!review && root.dataset.left === 'false') return;
    root.hidden = false;
    root.dataset.left = String(review !== null);
    title.textContent = review ? 'Your review' : 'How was it?';
    root.replaceChildren(title, ...(review ? written(review, reply, session) : [form()]));
  }

  function form() {
    const stars = starsInput(`Your rating of ${session.doctor.full_name}`);
    const comment = h('textarea', { name: 'comment', rows: 3, maxlength: 1000, test: 'review-comment' });
    const leave = button('Leave the review', { kind: 'primary', type: 'submit', test: 'leave-review' });
    const send = async () => {
      await submit(stars.value, comment.value.trim() || null);
      title.focus({ preventScroll: true });
    };
    return h(
      'form',
      { class: 'stack', on: { submit: (event) => (event.preventDefault(), busy(leave, send)) } },
      stars.root,
      field('In your words (optional)', comment, 'Everybody can read it, without your name. It cannot be changed afterwards.'),
      h('div', { class: 'row end' }, leave),
    );
  }

  async function submit(rating, comment) {
    try {
      review = await api.post('/reviews', { session_id: session.id, rating, comment });
    } catch (error) {
      if (error.code !== 'REVIEW_EXISTS') throw error;
      // Left on another device: that one stands.
      return load();
    }
    return render(null);
  }

  return {
    root,
    load,
    /** A reply is told by its event, and read where everybody reads it. */
    apply(event) {
      if (event.type === 'review.reply' && review) showIt().catch(() => {});
    },
  };
}

function written(review, reply, session) {
  return [
    starsView(review.rating),
    review.comment ? h('p', { class: 'quoted', dir: 'auto', test: 'review-text' }, review.comment) : null,
    reply ? h('div', { class: 'reply', test: 'review-reply' }, h('strong', {}, session.doctor.full_name), h('p', { class: 'quoted', dir: 'auto' }, reply.text)) : null,
  ].filter(Boolean);
}

/** The session's review does not carry the reply: it stands in the doctor's public list, newest first. */
async function findReply(api, review) {
  for (let page = 0; page < MOST_PAGES; page += 1) {
    let found;
    try {
      found = await api.get(`/doctors/${review.doctor_id}/reviews`, { limit: PAGE, offset: page * PAGE });
    } catch {
      // The doctor's page may be closed; the review is shown without.
      return null;
    }
    const own = found.items.find((item) => item.id === review.id);
    if (own) return own.reply;
    const last = found.items.at(-1);
    if (!found.has_more || Date.parse(last.created_at) < Date.parse(review.created_at)) return null;
  }
  return null;
}
