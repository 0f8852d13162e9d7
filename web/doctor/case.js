// One consultation on the desk: its record, its chat, its video permission, its call.

import { Chat } from '../shared/chat.js';
import { Call } from '../shared/call.js';
import { VideoPermission } from '../shared/video.js';
import { Recording } from '../shared/recording.js';

/** Fires `change` for the list on the desk and `record` when the session itself is another. */
export class Case extends EventTarget {
  constructor({ api, inbox, session }) {
    super();
    const sessionId = session.id;
    this.session = session;
    this.chat = new Chat({ api, inbox, role: 'doctor', sessionId });
    this.call = new Call({ api, sessionId, camera: true });
    this.video = new VideoPermission({ api, inbox, sessionId });
    this.recording = new Recording({ api, sessionId });
    this.touchedAt = Date.parse(session.started_at ?? session.created_at);
    this.chat.open = !this.ended;
    this.chat.addEventListener('change', () => {
      if (this.chat.last) this.touchedAt = Math.max(this.touchedAt, Date.parse(this.chat.last.created_at));
      this.dispatchEvent(new Event('change'));
    });
  }

  get ended() {
    return this.session.status !== 'ONGOING';
  }

  async load() {
    await Promise.all([this.chat.load(), this.video.load(), this.recording.load()]);
  }

  update(session) {
    this.session = session;
    this.chat.open = !this.ended;
    if (this.ended) this.call.leave();
    this.dispatchEvent(new Event('record'));
    this.dispatchEvent(new Event('change'));
  }

  apply(event) {
    if (event.type === 'video.permission') this.video.set(event.data);
    this.recording.apply(event);
    this.call.apply(event);
    this.chat.apply(event);
  }

  dispose() {
    this.chat.dispose();
    this.call.leave();
  }
}
