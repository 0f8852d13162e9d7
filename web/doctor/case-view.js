// The open consultation: who it is, the call, video permission, the chat, and the end.

import { h, icon, button, avatar, ask, busy, field, notice } from '../shared/ui.js';
import { ageAndSex, initials, money, rate, stopwatch } from '../shared/format.js';
import { chatView } from '../shared/chat-view.js';
import { callView } from '../shared/call-view.js';
import { videoView } from '../shared/video.js';
import { recordingView } from '../shared/recording.js';
import { prescribeView } from './prescribe.js';
import { followupView } from '../shared/followup-view.js';
import { sessionReview } from './reviews.js';

const REASONS = [
  ['completed', 'Completed'],
  ['referred', 'Referred elsewhere'],
  ['patient_left', 'Patient left'],
  ['technical', 'Technical trouble'],
];

export function caseView({ api, followups, item, onClose, onDismiss }) {
  const { patient } = item.session;
  const peer = patient.name || 'Patient';
  const parts = {
    chat: chatView(item.chat, { peer }),
    call: callView(item.call, { peer, ownCamera: true }),
    video: videoView(item.video, { role: 'doctor' }),
    recording: recordingView(item.recording, { control: true }),
    plan: prescribeView({ api, sessionId: item.session.id }),
    followup: followupView({ followups, role: 'doctor', sessionId: item.session.id }),
    review: sessionReview({ api, sessionId: item.session.id }),
  };
  const clock = h('span', { test: 'elapsed' });
  const end = button('End', { kind: 'danger small', test: 'end-session', on: askToEnd });
  const back = h(
    'button',
    { type: 'button', class: 'button quiet round back', 'aria-label': 'Back to the desk', test: 'back', on: { click: onClose } },
    icon('back'),
  );
  const decided = h('section', { class: 'decided' }, parts.plan.root, parts.followup.root);
  const strip = h('div', { class: 'panel-strip' }, parts.call.root, parts.video.root, decided, about(item.session));
  const root = h(
    'section',
    { class: 'consultation', 'aria-label': `Consultation with ${peer}`, test: 'consultation' },
    h(
      'div',
      { class: 'peer' },
      back,
      avatar(patient.initials ?? initials(peer)),
      h('div', { class: 'grow' }, h('h2', {}, peer), h('p', { class: 'muted' }, [ageAndSex(patient), ageAndSex(patient) ? ' · ' : null], clock)),
      parts.recording.root,
      end,
    ),
    strip,
    parts.chat.root,
  );

  function tick() {
    const { started_at: from, ended_at: to } = item.session;
    clock.textContent = stopwatch(((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000);
  }

  async function askToEnd() {
    const reason = h('select', { name: 'reason' }, REASONS.map(([value, label]) => h('option', { value }, label)));
    const note = h('textarea', { name: 'note', rows: 4, maxlength: 2000, test: 'end-note' });
    const answer = await ask({
      title: `End the consultation with ${peer}?`,
      fields: [field('Outcome', reason), field('Note (optional)', note, 'Only you can read it later.')],
      confirm: 'End now',
      kind: 'danger',
      dismiss: 'Go on',
      test: 'end',
    });
    if (!answer) return;
    await busy(end, async () => {
      const path = `/connect/sessions/${item.session.id}`;
      await api.post(`${path}/end`, { reason: answer.reason, note: answer.note.trim() || null });
      item.update(await api.get(path));
    });
  }

  function showRecord() {
    if (!item.ended) return;
    clearInterval(timer);
    tick();
    end.remove();
    parts.recording.root.remove();
    root.classList.add('over');
    strip.replaceChildren(summary(item.session, onDismiss), decided, parts.review.root);
    parts.chat.composer.remove();
    read(parts.review);
  }

  const read = (part) => part.load().catch((error) => notice(error.message, 'bad'));

  tick();
  const timer = setInterval(tick, 1_000);
  item.addEventListener('record', showRecord);
  showRecord();
  read(parts.plan);
  read(parts.followup);
  return {
    root,
    shown: () => (item.ended ? null : parts.chat.focus()),
    onEvent(event) {
      if (event.type === 'review.submitted') read(parts.review);
    },
    dispose() {
      clearInterval(timer);
      item.removeEventListener('record', showRecord);
      Object.values(parts).forEach((part) => part.dispose());
    },
  };
}

function about(session) {
  const row = (term, value) => (value ? h('div', {}, h('dt', {}, term), h('dd', {}, value)) : null);
  return h(
    'section',
    { class: 'about' },
    h(
      'details',
      { open: matchMedia('(min-width: 70rem)').matches },
      h('summary', {}, 'About this request'),
      h(
        'dl',
        {},
        row('Complaints', session.symptoms?.join(', ')),
        row('Current treatment', session.active_treatment),
        row('History', session.medical_history),
        row('Category', session.category),
        row('Rate', rate(session.rate_per_minute)),
      ),
    ),
  );
}

function summary(session, onDismiss) {
  const row = (term, value, test) => h('div', {}, h('dt', {}, term), h('dd', { test }, value));
  return h(
    'section',
    { class: 'summary', test: 'summary' },
    h('h3', {}, 'Consultation ended'),
    h(
      'dl',
      {},
      row('Duration', session.duration_display ?? '–', 'duration'),
      row('Amount', money(session.amount), 'amount'),
      row('Ended by', { patient: 'The patient', doctor: 'You' }[session.ended_by] ?? 'The system'),
      session.end_note ? row('Note', session.end_note) : null,
    ),
    button('Close', { kind: 'soft small', test: 'dismiss', on: onDismiss }),
  );
}
