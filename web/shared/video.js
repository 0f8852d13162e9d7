// The dance of video permission (connect-v2 §3.13): the doctor invites, the patient decides, either
// takes it back. The state is the server's; this only shows it and sends the commands.

import { h, icon, button, busy } from './ui.js';

/** What each side sees and may do in each state: text, then [command, label, kind, icon]. */
const DOCTOR = {
  NOT_ALLOWED: ['The patient’s camera is off.', ['allow', 'Invite to video', 'soft', 'video']],
  ALLOWED_BY_DOCTOR: ['Waiting for the patient’s answer…', ['revoke', 'Withdraw', 'quiet', 'close']],
  VIDEO_ON: ['The patient agreed to video.', ['revoke', 'End video', 'danger-soft', 'video-off']],
  VIDEO_OFF: ['The patient has paused the camera.', ['revoke', 'End video', 'danger-soft', 'video-off']],
  DECLINED_BY_PATIENT: ['The patient said no to video.', ['allow', 'Ask again', 'soft', 'video']],
};

const PATIENT = {
  NOT_ALLOWED: ['Your camera stays off unless the doctor asks and you agree.'],
  ALLOWED_BY_DOCTOR: [
    'The doctor would like to see you. Turn your camera on?',
    ['decline', 'Not now', 'quiet', 'close'],
    ['accept', 'Turn on', 'primary', 'video'],
  ],
  VIDEO_ON: [
    'Video is on: in the call the doctor sees you.',
    ['off', 'Pause', 'soft', 'video-off'],
    ['revoke', 'End video', 'danger-soft', 'close'],
  ],
  VIDEO_OFF: [
    'You have paused your camera.',
    ['on', 'Resume', 'soft', 'video'],
    ['revoke', 'End video', 'danger-soft', 'close'],
  ],
  DECLINED_BY_PATIENT: ['You said no to video. The doctor may ask again.'],
};

/** Fires `change`; `state` is the body of endpoint 73. */
export class VideoPermission extends EventTarget {
  #api;
  #inbox;

  constructor({ api, inbox, sessionId }) {
    super();
    this.#api = api;
    this.#inbox = inbox;
    this.sessionId = sessionId;
    this.state = 'NOT_ALLOWED';
    this.patientVideo = false;
  }

  async load() {
    this.set(await this.#api.get(`/connect/sessions/${this.sessionId}/video-permission`));
  }

  set(body) {
    this.state = body.video_permission_state;
    this.patientVideo = body.patient_video_enabled;
    this.dispatchEvent(new Event('change'));
  }

  async send(action) {
    const body = this.#inbox.online
      ? await this.#inbox.command(`video.${action}`, { session_id: this.sessionId })
      : await this.#api.post(`/connect/sessions/${this.sessionId}/video-permission/${action}`);
    this.set(body);
  }
}

export function videoView(permission, { role }) {
  const words = role === 'doctor' ? DOCTOR : PATIENT;
  const root = h('section', { class: 'video-permission', 'aria-label': 'Video', 'aria-live': 'polite', test: 'video' });

  function render() {
    const [text, ...actions] = words[permission.state] ?? words.NOT_ALLOWED;
    root.dataset.state = permission.state;
    root.replaceChildren(
      h('p', {}, icon(permission.patientVideo ? 'video' : 'video-off'), h('span', {}, text)),
      h('div', { class: 'row' }, ...actions.map(actionButton)),
    );
  }

  function actionButton([action, label, kind, glyph]) {
    const element = button(label, {
      kind: `${kind} small`,
      icon: glyph,
      test: `video-${action}`,
      on: () =>
        busy(element, async () => {
          try {
            await permission.send(action);
          } catch (error) {
            // The other side was faster: show what holds now.
            await permission.load();
            if (error.code !== 'ILLEGAL_TRANSITION') throw error;
          }
        }),
    });
    return element;
  }

  permission.addEventListener('change', render);
  render();
  return { root, dispose: () => permission.removeEventListener('change', render) };
}
