// What it came to: time, price, what the doctor decided, the review, and the conversation to read again.

import { h, button, busy, notice } from '../shared/ui.js';
import { money } from '../shared/format.js';
import { Chat } from '../shared/chat.js';
import { chatView } from '../shared/chat-view.js';
import { planView } from '../shared/plan.js';
import { followupView } from '../shared/followup-view.js';
import { reviewView } from './review.js';

export function summaryView(app, session) {
  const { api, inbox } = app;
  const chat = new Chat({ api, inbox, role: 'client', sessionId: session.id });
  chat.open = false;
  const plan = planView({ api, sessionId: session.id });
  const followup = followupView({ followups: app.followups, role: 'client', sessionId: session.id });
  const review = reviewView({ api, session });
  for (const part of [plan, followup]) part.root.classList.add('card');
  let transcript = null;
  const read = button('Read the conversation', { kind: 'soft', icon: 'chat', on: showTranscript });
  const row = (term, value, test) => h('div', {}, h('dt', {}, term), h('dd', { test }, value));

  // The way back waits for nothing that is still to be read, and is not moved by it.
  const back = button('Back to the doctors', { kind: 'primary', test: 'back-to-doctors', on: () => app.go('doctors') });
  const ways = h('div', { class: 'row' }, back, read);
  // All of it comes at once, so that nothing moves away under a finger.
  const rest = h('div', { class: 'stack', hidden: true }, plan.root, review.root, followup.root);

  async function load() {
    const done = await Promise.allSettled([plan.load(), review.load(), followup.load()]);
    const failed = done.find((one) => one.status === 'rejected');
    if (failed && api.signedIn) notice(failed.reason.message, 'bad');
  }

  function showTranscript() {
    return busy(read, async () => {
      await chat.load();
      // Nobody may be looking any more.
      if (!root.isConnected) return;
      read.hidden = true;
      transcript = chatView(chat, { peer: session.doctor.full_name });
      transcript.composer.remove();
      ways.after(h('div', { class: 'card transcript' }, transcript.root));
    });
  }

  const minutes = session.billed_minutes === 1 ? '1 minute' : `${session.billed_minutes} minutes`;
  const root = h(
    'div',
    { class: 'page narrow stack summary', test: 'summary' },
    h('h1', {}, 'Consultation ended'),
    h('p', { class: 'muted' }, `With ${session.doctor.full_name}, ${session.doctor.speciality_category ?? ''}`),
    h(
      'dl',
      { class: 'card' },
      row('Duration', session.duration_display ?? '–', 'duration'),
      row('Counted', session.billed_minutes === null ? '–' : minutes),
      row('Amount', money(session.amount), 'amount'),
      session.amount_due ? row('Not covered by your wallet', money(session.amount_due), 'amount-due') : null,
      row('Ended by', { patient: 'You', doctor: 'The doctor' }[session.ended_by] ?? 'The system'),
    ),
    ways,
    rest,
  );
  load().finally(() => (rest.hidden = false));
  return {
    root,
    sessionId: session.id,
    reload: load,
    onEvent(event) {
      if (event.session_id !== session.id) return;
      chat.apply(event);
      plan.apply(event);
      review.apply(event);
    },
    dispose() {
      transcript?.dispose();
      followup.dispose();
      chat.dispose();
    },
  };
}
