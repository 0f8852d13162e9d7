// Shows one Call: the pictures, the controls, and one line when there is no media server.

import { h, icon, button } from './ui.js';

/** `ownCamera`: the camera is this side's to switch (the doctor's). */
export function callView(call, { peer, ownCamera = false }) {
  const stage = h('div', { class: 'stage', hidden: true });
  const self = h('div', { class: 'self', hidden: true });
  stage.append(self);
  const status = h('p', { class: 'call-status', role: 'status', test: 'call-status' });
  const controls = h('div', { class: 'row' });
  const root = h(
    'section',
    { class: 'call', 'aria-label': 'Call', test: 'call' },
    stage,
    h('div', { class: 'call-bar' }, status, controls),
  );
  const shown = new Map();

  function pictures() {
    const wanted = new Set(call.videos);
    if (call.local) wanted.add(call.local);
    for (const [track, element] of shown) {
      if (wanted.has(track)) continue;
      track.detach(element);
      element.remove();
      shown.delete(track);
    }
    for (const track of wanted) {
      if (shown.has(track)) continue;
      const element = track.attach();
      shown.set(track, element);
      if (track === call.local) self.prepend(element);
      else stage.prepend(element);
    }
    const remoteVideo = call.videos.length > 0;
    self.hidden = call.local === null;
    stage.hidden = !remoteVideo && call.local === null;
    stage.classList.toggle('alone', !remoteVideo);
  }

  function render() {
    pictures();
    root.dataset.state = call.state;
    const text = {
      idle: call.ringing ? `A call with ${peer} is open` : 'Voice call',
      joining: 'Joining the call…',
      joined: call.peerPresent ? `In a call with ${peer}` : `Waiting for ${peer} to join`,
      unavailable: 'No media server answers. The chat goes on without voice and video.',
    }[call.state];
    status.replaceChildren(icon(call.state === 'unavailable' ? 'mic-off' : 'phone'), h('span', {}, call.problem ?? text));
    controls.replaceChildren(...buttons());
  }

  function buttons() {
    if (call.state === 'joined') {
      const on = call.microphone;
      const mute = button(on ? 'Mute' : 'Unmute', {
        kind: 'soft small',
        icon: on ? 'mic' : 'mic-off',
        test: 'mute',
        on: () => call.setMicrophone(!on),
      });
      mute.setAttribute('aria-pressed', String(!on));
      return [mute, ownCamera ? cameraButton() : null, button('Leave', { kind: 'danger small', icon: 'hangup', test: 'leave-call', on: () => call.leave() })].filter(Boolean);
    }
    if (call.state === 'joining') return [h('span', { class: 'spinner', 'aria-hidden': 'true' })];
    const label = call.state === 'unavailable' ? 'Try again' : 'Join';
    const kind = call.ringing && call.state === 'idle' ? 'primary small' : 'soft small';
    return [button(label, { kind, test: 'join-call', on: () => call.join() })];
  }

  function cameraButton() {
    const on = call.wantsCamera;
    const toggle = button('Camera', {
      kind: 'soft small',
      icon: on ? 'video' : 'video-off',
      test: 'own-camera',
      on: () => {
        call.setCamera(!on);
        render();
      },
    });
    toggle.setAttribute('aria-pressed', String(on));
    return toggle;
  }

  call.addEventListener('change', render);
  render();
  return {
    root,
    /** The call itself goes on: who opened it leaves it. */
    dispose() {
      call.removeEventListener('change', render);
      for (const [track, element] of shown) track.detach(element);
    },
  };
}
