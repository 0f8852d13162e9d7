// The consultation itself: chat in the middle, call and video permission above it.

import { h, button, avatar, ask, busy } from '../shared/ui.js';
import { initials, stopwatch } from '../shared/format.js';
import { Chat } from '../shared/chat.js';
import { chatView } from '../shared/chat-view.js';
import { Call } from '../shared/call.js';
import { callView } from '../shared/call-view.js';
import { VideoPermission, videoView } from '../shared/video.js';
import { Recording, recordingView } from '../shared/recording.js';
import { planView } from '../shared/plan.js';
import { followupView } from '../shared/followup-view.js';

export function consultationView(app) {
  const { api, inbox, session } = app;
  const sessionId = session.id;
  const peer = session.doctor.full_name;
  const chat = new Chat({ api, inbox, role: 'client', sessionId });
  const call = new Call({ api, sessionId, camera: false });
  const video = new VideoPermission({ api, inbox, sessionId });
  const recording = new Recording({ api, sessionId });
  const parts = {
    chat: chatView(chat, { peer }),
    call: callView(call, { peer }),
    video: videoView(video, { role: 'client' }),
    recording: recordingView(recording),
    plan: planView({ api, sessionId }),
    followup: followupView({ followups: app.followups, role: 'client', sessionId }),
  };

  // The camera runs in VIDEO_ON alone. Saying yes to video joins the room, if it was not joined yet.
  video.addEventListener('change', () => {
    call.setCamera(video.patientVideo);
    if (video.patientVideo) call.join();
  });

  const clock = h('span', { class: 'muted', test: 'elapsed' });
  const tick = () => {
    clock.textContent = stopwatch((Date.now() - Date.parse(session.started_at)) / 1000);
  };
  tick();
  const timer = setInterval(tick, 1_000);

  const end = button('End', { kind: 'danger small', test: 'end-session', on: askToEnd });

  async function askToEnd() {
    const sure = await ask({
      title: 'End the consultation?',
      lead: 'You can read the conversation afterwards, but not write any more.',
      confirm: 'End now',
      kind: 'danger',
      dismiss: 'Go on',
      test: 'end',
    });
    // The `session.ended` event shows the summary; asking again makes up for a socket that is away.
    if (sure) await busy(end, () => api.post(`/connect/sessions/${sessionId}/end`, { reason: 'completed' }).then(ended));
  }

  async function ended() {
    if (app.session?.id !== sessionId) return;
    app.session = null;
    app.go('summary', await api.get(`/connect/sessions/${sessionId}`));
  }

  async function load() {
    await Promise.all([chat.load(), video.load(), recording.load(), parts.plan.load(), parts.followup.load()]).catch(() => {});
  }

  const root = h(
    'div',
    { class: 'consultation', test: 'consultation' },
    h(
      'div',
      { class: 'peer' },
      avatar(initials(peer)),
      h('div', { class: 'grow' }, h('h1', {}, peer), h('p', { class: 'muted' }, session.doctor.speciality_category, ' · ', clock)),
      parts.recording.root,
      end,
    ),
    h('div', { class: 'panel-strip' }, parts.call.root, parts.video.root, h('section', { class: 'decided' }, parts.plan.root, parts.followup.root)),
    parts.chat.root,
  );
  load();
  return {
    root,
    sessionId,
    reload: load,
    shown: () => parts.chat.focus(),
    onEvent(event) {
      if (event.session_id !== sessionId && event.data?.session_id !== sessionId) return;
      if (event.type === 'video.permission') video.set(event.data);
      recording.apply(event);
      call.apply(event);
      chat.apply(event);
      parts.plan.apply(event);
    },
    dispose() {
      clearInterval(timer);
      Object.values(parts).forEach((part) => part.dispose());
      call.leave();
      chat.dispose();
    },
  };
}
