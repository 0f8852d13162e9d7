// The request is out: it rings at the doctor's until somebody answers, cancels, or time runs out.

import { h, button, avatar, busy } from '../shared/ui.js';
import { initials, stopwatch } from '../shared/format.js';

export function waitingView(app) {
  const session = app.session;
  const left = h('p', { class: 'muted', test: 'expires' });
  const cancel = button('Cancel request', {
    kind: 'danger-soft',
    icon: 'close',
    test: 'cancel-request',
    on: () =>
      busy(cancel, async () => {
        await app.api.post(`/connect/sessions/${session.id}/cancel`);
        app.session = null;
        app.go('doctors');
      }),
  });

  const tick = () => {
    const seconds = (Date.parse(session.expires_at) - Date.now()) / 1000;
    left.textContent = seconds > 0 ? `The request stays open for ${stopwatch(seconds)}.` : 'The request is about to expire.';
  };
  tick();
  const timer = setInterval(tick, 1_000);

  const root = h(
    'div',
    { class: 'page narrow waiting', test: 'waiting' },
    h('div', { class: 'ringing', 'aria-hidden': 'true' }, avatar(initials(session.doctor.full_name), 'large')),
    h('h1', {}, `Ringing ${session.doctor.full_name}…`),
    h('p', { class: 'muted' }, session.doctor.speciality_category ?? ''),
    left,
    cancel,
  );
  return { root, dispose: () => clearInterval(timer) };
}
