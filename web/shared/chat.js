// One conversation: messages, receipts, typing, and what is still to be sent (connect-v2 §3.8,
// realtime.md §4). It knows no DOM; chat-view.js shows it.

import { Files, kindOf } from './files.js';

const PAGE = 50;
const RETRY_MS = 4_000;
const TYPING_EVERY_MS = 2_000;
const TYPING_LASTS_MS = 5_000;

/** UUID v4; `crypto.randomUUID` is missing on plain http outside localhost. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Fires `change` whenever something to be shown has changed. */
export class Chat extends EventTarget {
  #api;
  #inbox;
  #role;
  #messages = [];
  #outbox;
  #outboxKey;
  #flushing = false;
  #retry = null;
  #visible = false;
  #told = { delivered: new Set(), read: new Set() };
  #typingSentAt = 0;
  #typingStop = null;
  #peerTyping = null;
  #onInbox;

  constructor({ api, inbox, role, sessionId }) {
    super();
    this.#api = api;
    this.#inbox = inbox;
    this.#role = role;
    this.sessionId = sessionId;
    this.files = new Files({ api, sessionId });
    this.open = true;
    this.hasEarlier = false;
    this.#outboxKey = `consilium.outbox.${role}.${sessionId}`;
    this.#outbox = JSON.parse(sessionStorage.getItem(this.#outboxKey) ?? '[]');
    this.#onInbox = (event) => {
      if (event.detail === 'online') this.#resume();
    };
    inbox.addEventListener('state', this.#onInbox);
  }

  dispose() {
    this.#inbox.removeEventListener('state', this.#onInbox);
    clearTimeout(this.#retry);
    clearTimeout(this.#peerTyping);
    clearTimeout(this.#typingStop);
  }

  /** What the server has, oldest first, then what it does not have yet. */
  get items() {
    return [...this.#messages, ...this.#outbox];
  }

  get last() {
    return this.items.at(-1) ?? null;
  }

  /** The last message in a few words. */
  get preview() {
    const last = this.last;
    if (!last) return 'No messages yet';
    return { image: 'Picture', audio: 'Recording', file: 'File' }[last.content_type] ?? last.content;
  }

  get unread() {
    return this.#messages.filter((m) => !this.isMine(m) && !m.read_at).length;
  }

  get peerIsTyping() {
    return this.#peerTyping !== null;
  }

  isMine(message) {
    return message.state !== undefined || message.sender_role === this.#role;
  }

  /** `pending | failed | sent | delivered | read`, for the tick beside an own message. */
  stateOf(message) {
    if (message.state) return message.state;
    if (message.read_at) return 'read';
    return message.delivered_at ? 'delivered' : 'sent';
  }

  /** Reads the latest page; after a `resync` also all that came since the last known message. */
  async load() {
    const known = this.#messages.at(-1)?.created_at;
    const page = await this.#page({ limit: PAGE });
    if (!known) this.hasEarlier = page.has_more;
    for (let after = known, more = Boolean(known); more; ) {
      const missed = await this.#page({ limit: 100, after });
      this.#merge(missed.items);
      after = missed.items.at(-1)?.created_at;
      more = missed.has_more;
    }
    this.#merge(page.items);
    this.flush();
  }

  async loadEarlier() {
    const page = await this.#page({ limit: PAGE, before: this.#messages[0]?.created_at });
    this.hasEarlier = page.has_more;
    this.#merge(page.items);
  }

  #page(query) {
    return this.#api.get(`/connect/sessions/${this.sessionId}/messages`, query);
  }

  /** The page is being looked at: what stands there counts as read. */
  setVisible(visible) {
    this.#visible = visible;
    if (visible) this.#acknowledge();
  }

  apply(event) {
    const data = event.data ?? {};
    switch (event.type) {
      case 'message.new':
        if (data.sender_role !== this.#role) this.#showTyping(false);
        return this.#merge([data]);
      case 'message.attachment':
        return this.files.learn(data);
      case 'message.delivered':
        return this.#mark(data.message_ids, { delivered_at: data.at });
      case 'message.read':
        return this.#mark(data.message_ids, { delivered_at: data.at, read_at: data.at });
      case 'typing':
        if (data.user_id !== this.#api.me) this.#showTyping(data.is_typing);
    }
  }

  // Sending: a message keeps its client_message_id until the server has acknowledged it, so that
  // sending it again, over whatever connection, never makes a second one.

  /** Uploads a file and sends the message that carries it. */
  async attach(file) {
    const done = await this.files.send(file);
    this.send(done.id, kindOf(done.content_type));
  }

  send(content, contentType = 'text') {
    this.#outbox.push({
      client_message_id: uuid(),
      content_type: contentType,
      content,
      created_at: new Date().toISOString(),
      state: 'pending',
    });
    this.#stopTyping();
    this.#saveOutbox();
    this.flush();
  }

  retry(message) {
    message.state = 'pending';
    this.#saveOutbox();
    this.flush();
  }

  discard(message) {
    this.#outbox = this.#outbox.filter((m) => m !== message);
    this.#saveOutbox();
  }

  /** Sends what waits, one after the other, so that the order stays. */
  async flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    clearTimeout(this.#retry);
    try {
      for (;;) {
        const message = this.#outbox.find((m) => m.state === 'pending');
        if (!message) break;
        if (!(await this.#sendOne(message))) break;
      }
    } finally {
      this.#flushing = false;
    }
  }

  async #sendOne(message) {
    const body = {
      client_message_id: message.client_message_id,
      content_type: message.content_type,
      content: message.content,
    };
    try {
      const stored = await this.#do('message.send', '', body);
      this.#merge([stored]);
      return true;
    } catch (error) {
      if (error.transient) {
        this.#retry = setTimeout(() => this.flush(), RETRY_MS);
        return false;
      }
      message.state = 'failed';
      message.reason = error.message;
      this.#saveOutbox();
      return true;
    }
  }

  /** The command while the socket is up, else the REST call that is the same function. */
  #do(command, path, body) {
    if (this.#inbox.online) return this.#inbox.command(command, { session_id: this.sessionId, ...body });
    return this.#api.post(`/connect/sessions/${this.sessionId}/messages${path}`, body);
  }

  #resume() {
    if (this.open) this.flush();
    this.#acknowledge();
  }

  // Receipts: delivered when it has arrived, read when it is looked at, in this order.

  #acknowledge() {
    const theirs = this.#messages.filter((m) => !this.isMine(m));
    this.#report('delivered', theirs.filter((m) => !m.delivered_at));
    if (this.#visible) this.#report('read', theirs.filter((m) => !m.read_at));
  }

  async #report(kind, messages) {
    const told = this.#told[kind];
    const ids = messages.map((m) => m.id).filter((id) => !told.has(id));
    if (ids.length === 0) return;
    for (const id of ids) told.add(id);
    try {
      await this.#do(`receipt.${kind}`, `/${kind}`, { message_ids: ids });
      this.#mark(ids, { [`${kind}_at`]: new Date().toISOString() });
    } catch {
      // Said again at the next occasion: a reconnect, a new message, a look at the page.
      for (const id of ids) told.delete(id);
    }
  }

  // Typing is ephemeral: lost is lost.

  typed(text) {
    if (text.length === 0) return this.#stopTyping();
    if (Date.now() - this.#typingSentAt > TYPING_EVERY_MS) this.#sendTyping(true);
    clearTimeout(this.#typingStop);
    this.#typingStop = setTimeout(() => this.#stopTyping(), TYPING_LASTS_MS - 1_000);
  }

  #stopTyping() {
    clearTimeout(this.#typingStop);
    if (this.#typingSentAt !== 0) this.#sendTyping(false);
  }

  #sendTyping(typing) {
    this.#typingSentAt = typing ? Date.now() : 0;
    const body = { session_id: this.sessionId, is_typing: typing };
    this.#inbox.command('typing', body).catch(() => {});
  }

  #showTyping(typing) {
    clearTimeout(this.#peerTyping);
    this.#peerTyping = typing ? setTimeout(() => this.#showTyping(false), TYPING_LASTS_MS) : null;
    this.#changed();
  }

  #mark(ids, times) {
    const wanted = new Set(ids ?? []);
    for (const message of this.#messages) {
      if (!wanted.has(message.id)) continue;
      for (const [key, at] of Object.entries(times)) message[key] ??= at;
    }
    this.#changed();
  }

  #merge(incoming) {
    const byId = new Map(this.#messages.map((m) => [m.id, m]));
    for (const message of incoming) {
      const known = byId.get(message.id);
      // A receipt that is known already is not undone by an older copy of the message.
      const { delivered_at, read_at } = known ?? {};
      byId.set(message.id, {
        ...message,
        delivered_at: message.delivered_at ?? delivered_at ?? null,
        read_at: message.read_at ?? read_at ?? null,
      });
      this.#outbox = this.#outbox.filter((m) => m.client_message_id !== message.client_message_id);
    }
    // The writer gives one session strictly increasing times; as text they compare when equally long.
    this.#messages = [...byId.values()].sort(byTime);
    this.#saveOutbox();
    this.#acknowledge();
  }

  #saveOutbox() {
    if (this.#outbox.length === 0) sessionStorage.removeItem(this.#outboxKey);
    else sessionStorage.setItem(this.#outboxKey, JSON.stringify(this.#outbox));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** By microseconds: `Date` alone keeps only milliseconds. */
function byTime(a, b) {
  return Date.parse(a.created_at) - Date.parse(b.created_at) || micros(a) - micros(b);
}

function micros(message) {
  const fraction = /\.(\d+)/.exec(message.created_at)?.[1] ?? '';
  return Number(fraction.padEnd(9, '0').slice(0, 9));
}
