// The WebSocket way into the inbox (realtime.md §3, §4): one socket that comes back by itself,
// resumes from its cursor, and answers commands with promises.

const SUBPROTOCOL = 'consilium.v1';
const ACK_TIMEOUT_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 15_000;

/** A command that got `error`, or none at all (`status` 0: send it again later). */
export class CommandError extends Error {
  constructor(error) {
    super(error.detail && typeof error.detail === 'string' ? error.detail : 'The command failed');
    this.name = 'CommandError';
    this.status = error.status ?? 0;
    this.code = error.code ?? null;
    this.body = error;
  }

  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const lost = () => new CommandError({ status: 0, detail: 'The connection was lost' });

/**
 * Events: `state` (detail: connecting | online | waiting | displaced | stopped), `event` (detail: one
 * server event), `fresh` (the client must read its state over REST: first connection, or `resync`).
 * The socket opens first and REST is read after, so nothing falls between the two.
 */
export class Inbox extends EventTarget {
  #api;
  #socket = null;
  #cursor = null;
  #state = 'stopped';
  #attempt = 0;
  #wake = null;
  #comeBackAfter = null;
  #heartbeat = null;
  #heartbeatMs = 25_000;
  #lastHeard = 0;
  #nextRef = 1;
  #waiting = new Map();
  #run = 0;

  constructor(api) {
    super();
    this.#api = api;
    api.addEventListener('signedout', () => this.stop());
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#hurry();
    });
  }

  get state() {
    return this.#state;
  }

  get online() {
    return this.#state === 'online';
  }

  start() {
    if (this.#state !== 'stopped' && this.#state !== 'displaced') return;
    this.#attempt = 0;
    this.#connect();
  }

  stop(state = 'stopped') {
    this.#run += 1;
    clearTimeout(this.#wake);
    this.#wake = null;
    if (state === 'stopped') this.#cursor = null;
    this.#dropSocket();
    this.#set(state);
  }

  /** Sends one command; resolves with the data of its `ack`. */
  command(type, fields = {}) {
    if (!this.online) return Promise.reject(lost());
    const ref = String(this.#nextRef++);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(ref);
        reject(lost());
      }, ACK_TIMEOUT_MS);
      this.#waiting.set(ref, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...fields, type, ref }));
    });
  }

  async #connect() {
    const run = ++this.#run;
    clearTimeout(this.#wake);
    this.#wake = null;
    this.#set('connecting');
    let ticket;
    try {
      // A browser cannot set headers on a WebSocket: a single-use ticket stands in for the token.
      ({ ticket } = await this.#api.post('/connect/tickets'));
    } catch (error) {
      if (run === this.#run && this.#api.signedIn) this.#later(error.retryAfter);
      return;
    }
    if (run !== this.#run) return;
    const url = new URL('/api/v2/connect/ws', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('ticket', ticket);
    if (this.#cursor) url.searchParams.set('since', this.#cursor);
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    this.#socket = socket;
    socket.onmessage = (message) => {
      if (socket === this.#socket) this.#receive(message.data);
    };
    socket.onclose = (close) => {
      if (socket === this.#socket) this.#closed(close.code);
    };
  }

  #receive(text) {
    this.#lastHeard = Date.now();
    const frame = JSON.parse(text);
    switch (frame.type) {
      case 'connected':
        return this.#connected(frame);
      case 'ack':
      case 'error':
        return this.#settle(frame);
      case 'resync':
        this.#cursor = frame.cursor;
        return this.#emit('fresh');
      case 'token.expiring':
        return void this.#renew();
      case 'going_away':
        return this.#goingAway(frame.data?.reconnect_after_ms ?? 1_000);
      default:
        this.#emit('event', frame);
        if (frame.cursor) this.#cursor = frame.cursor;
    }
  }

  #connected(frame) {
    const first = this.#cursor === null;
    if (first) this.#cursor = frame.cursor;
    this.#attempt = 0;
    this.#heartbeatMs = (frame.heartbeat_seconds ?? 25) * 1_000;
    this.#listenForSilence();
    this.#set('online');
    if (first) this.#emit('fresh');
  }

  #settle(frame) {
    if (frame.cursor) this.#cursor = frame.cursor;
    const waiting = this.#waiting.get(frame.ref);
    if (!waiting) return;
    this.#waiting.delete(frame.ref);
    clearTimeout(waiting.timer);
    if (frame.type === 'ack') waiting.resolve(frame.data ?? null);
    else waiting.reject(new CommandError(frame.error ?? {}));
  }

  async #renew() {
    try {
      const token = await this.#api.freshToken();
      await this.command('auth.refresh', { token });
    } catch {
      // Then the server closes with 4401 and the next connection brings a new ticket.
    }
  }

  /** The server drains: it told this client its own moment to come back, so that all do not come at once. */
  #goingAway(afterMs) {
    this.#comeBackAfter = Date.now() + afterMs;
    const socket = this.#socket;
    setTimeout(() => {
      if (socket === this.#socket) this.#closed(1001);
    }, afterMs);
  }

  #closed(code) {
    const goingAway = this.#comeBackAfter;
    this.#dropSocket();
    if (this.#state === 'stopped') return;
    if (code === 4410) return this.stop('displaced');
    if (code === 4403) return this.stop('refused');
    if (goingAway !== null) return this.#wait(Math.max(0, goingAway - Date.now()));
    if (code === 4409) return this.#wait(Math.random() * 300);
    if (code === 4401) return void this.#reauthenticate();
    if (code === 4429) this.#attempt = Math.max(this.#attempt, 5);
    this.#later();
  }

  async #reauthenticate() {
    this.#set('waiting');
    try {
      await this.#api.refresh();
    } catch (error) {
      if (!this.#api.signedIn) return;
      return this.#later(error.retryAfter);
    }
    this.#wait(Math.random() * 300);
  }

  /** Full jitter: a random moment within a window that doubles. */
  #later(retryAfterSeconds = null) {
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#wait((retryAfterSeconds ?? 0) * 1_000 + 100 + Math.random() * most);
  }

  #wait(ms) {
    this.#set('waiting');
    clearTimeout(this.#wake);
    this.#wake = setTimeout(() => this.#connect(), ms);
  }

  /** Network is back or the page is looked at again: no reason to wait out the backoff. */
  #hurry() {
    if (this.#state === 'waiting' && this.#wake !== null && this.#attempt > 1) this.#connect();
    else if (this.online) this.#probe();
  }

  /** Browsers hide WebSocket pings, so silence is probed with a command. */
  #listenForSilence() {
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => {
      if (Date.now() - this.#lastHeard >= this.#heartbeatMs) this.#probe();
    }, this.#heartbeatMs / 2);
  }

  #probe() {
    const socket = this.#socket;
    this.command('ping').catch((error) => {
      if (error.status === 0 && socket === this.#socket && socket) this.#closed(1006);
    });
  }

  #dropSocket() {
    clearInterval(this.#heartbeat);
    this.#comeBackAfter = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(lost());
    }
    this.#waiting.clear();
  }

  #set(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
