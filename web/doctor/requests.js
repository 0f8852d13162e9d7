// The requests stream (realtime.md §5): server-sent events with a fresh single-use ticket for each
// connection. EventSource's own reconnect would send the used ticket again, so it is never left to it.

const EVENTS = ['session_requested', 'session_accepted', 'session_rejected', 'session_cancelled', 'session_expired'];
const BACKOFF_MOST_MS = 15_000;
const SNAPSHOT_MS = 1_500;

/** `change`: the list is another one; `ring`: a request came in that was not there before. */
export class Requests extends EventTarget {
  #api;
  #source = null;
  #lastId = null;
  #attempt = 0;
  #timer = null;
  #running = false;
  #open = new Map();
  #unconfirmed = null;

  constructor(api) {
    super();
    this.#api = api;
  }

  /** Oldest first, as in `GET …/sessions/requests`. */
  get items() {
    return [...this.#open.values()].sort((a, b) => Date.parse(a.requested_at) - Date.parse(b.requested_at));
  }

  start() {
    this.#running = true;
    this.#connect();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  remove(sessionId) {
    if (this.#open.delete(sessionId)) this.#changed();
  }

  /** Requests past their time go even if the word of it is still on its way. */
  sweep(now = Date.now()) {
    for (const item of this.#open.values()) {
      if (Date.parse(item.expires_at) <= now) this.remove(item.session_id);
    }
  }

  async #connect() {
    let ticket;
    try {
      ({ ticket } = await this.#api.post('/connect/tickets'));
    } catch {
      return this.#later();
    }
    if (!this.#running) return undefined;
    const url = new URL('/api/v2/connect/sessions/requests/stream', location.origin);
    url.searchParams.set('ticket', ticket);
    if (this.#lastId) url.searchParams.set('since', this.#lastId);
    const source = new EventSource(url);
    this.#source = source;
    source.addEventListener('connected', (event) => this.#connected(event));
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#receive(name, event));
    source.addEventListener('resync', () => this.#again());
    source.addEventListener('closing', () => this.#reconnect());
    source.onerror = () => this.#reconnect();
    return undefined;
  }

  /** The cursor cannot be served: begin with a snapshot. */
  #again() {
    this.#lastId = null;
    this.#attempt = 0;
    this.#reconnect();
  }

  #reconnect() {
    this.#source?.close();
    this.#source = null;
    this.#later();
  }

  #later() {
    if (!this.#running || !this.#api.signedIn) return;
    clearTimeout(this.#timer);
    const most = Math.min(BACKOFF_MOST_MS, 500 * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), 100 + Math.random() * most);
  }

  #connected(event) {
    this.#attempt = 0;
    if (event.lastEventId) {
      this.#lastId = event.lastEventId;
      return;
    }
    // A snapshot follows at once: what it does not name is gone.
    this.#unconfirmed = new Set(this.#open.keys());
    setTimeout(() => {
      for (const id of this.#unconfirmed ?? []) this.remove(id);
      this.#unconfirmed = null;
    }, SNAPSHOT_MS);
  }

  #receive(name, event) {
    // The browser keeps the id of id-only blocks to itself until the next event: then it is told here.
    if (event.lastEventId) this.#lastId = event.lastEventId;
    const data = JSON.parse(event.data);
    if (name !== 'session_requested') return this.remove(data.session_id);
    this.#unconfirmed?.delete(data.session_id);
    const known = this.#open.has(data.session_id);
    this.#open.set(data.session_id, data);
    this.#changed();
    if (!known) this.dispatchEvent(new CustomEvent('ring', { detail: data }));
    return undefined;
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
