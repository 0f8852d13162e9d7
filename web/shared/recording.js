// Whether the consultation is recorded (connect-v2 §3.10). Both sides show it for as long as it lasts; the button is the doctor's.

import { h, button, busy, notice } from './ui.js';

const ENDED = { 'recording.ready': 'The recording is ready.', 'recording.failed': 'The recording failed: there is no file.' };

/** Fires `change`. */
export class Recording extends EventTarget {
  #api;
  #path;
  #current = null;

  constructor({ api, sessionId }) {
    super();
    this.#api = api;
    this.#path = `/connect/sessions/${sessionId}/recordings`;
  }

  get on() {
    return this.#current?.status === 'RECORDING';
  }

  async load() {
    const { items } = await this.#api.get(this.#path, { limit: 1 });
    this.#set(items[0] ?? null);
  }

  async start() {
    this.#set(await this.#api.post(this.#path));
  }

  async stop() {
    this.#set(await this.#api.post(`${this.#path}/${this.#current.id}/stop`));
  }

  /** The end of an earlier one says nothing of the one that runs. */
  apply(event) {
    if (!event.type.startsWith('recording.')) return;
    if (event.type === 'recording.started' || this.#current === null || event.data.id === this.#current.id) this.#set(event.data);
    if (ENDED[event.type]) notice(ENDED[event.type]);
  }

  #set(recording) {
    this.#current = recording;
    this.dispatchEvent(new Event('change'));
  }
}

/** The sign, and with `control` the button beside it. */
export function recordingView(recording, { control = false } = {}) {
  const sign = h('span', { class: 'recording-sign', role: 'status', test: 'recording' });
  const toggle = control ? button('', { kind: 'quiet small', test: 'record', on: () => busy(toggle, () => (recording.on ? recording.stop() : recording.start())) }) : null;
  const root = h('div', { class: 'row nowrap recording' }, sign, toggle);

  function render() {
    sign.replaceChildren(...(recording.on ? [h('i', { 'aria-hidden': 'true' }), 'Recording'] : []));
    toggle?.replaceChildren(h('span', {}, recording.on ? 'Stop recording' : 'Record'));
    toggle?.setAttribute('aria-pressed', String(recording.on));
  }

  recording.addEventListener('change', render);
  render();
  return { root, dispose: () => recording.removeEventListener('change', render) };
}
