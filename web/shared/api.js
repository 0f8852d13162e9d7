// The REST surface for one signed-in person: tokens, refresh, errors (connect-v2 §1.1, §3.1).

const BASE = '/api/v2';
/** The operators' doors stand beside the interface. */
const BESIDE = '/operations/';

/** An answer that was not 2xx, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, body, retryAfter = null) {
    super(describe(status, body));
    this.name = 'ApiError';
    this.status = status;
    this.code = body?.code ?? null;
    this.body = body ?? {};
    this.retryAfter = retryAfter;
  }

  /** Trying again later may help: no network, overload, server trouble. */
  get transient() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

function describe(status, body) {
  if (status === 0) return 'No connection to the server';
  const detail = body?.detail;
  if (typeof detail === 'string') return detail;
  if (Array.isArray(detail)) {
    return detail.map((d) => `${(d.loc ?? []).slice(1).join('.') || 'input'}: ${d.msg}`).join('; ');
  }
  return `The server answered ${status}`;
}

/**
 * Holds the token pair of one app in memory, with a copy in sessionStorage so that a reload of the
 * tab stays signed in. Fires `signedout` when the login is over.
 */
export class Api extends EventTarget {
  #key;
  #pair = null;
  #refreshing = null;

  constructor(storageKey) {
    super();
    this.#key = storageKey;
    try {
      this.#pair = JSON.parse(sessionStorage.getItem(storageKey));
    } catch {
      this.#pair = null;
    }
  }

  get signedIn() {
    return this.#pair !== null;
  }

  /** The id this login belongs to; read from the token for display logic only. */
  get me() {
    return this.#claims().sub ?? null;
  }

  signIn(pair) {
    this.#pair = { access_token: pair.access_token, refresh_token: pair.refresh_token };
    sessionStorage.setItem(this.#key, JSON.stringify(this.#pair));
  }

  async signOut() {
    try {
      await this.post('/auth/logout');
    } catch {
      // The login ends here in any case.
    }
    this.#drop();
  }

  get(path, query) {
    return this.request('GET', path, { query });
  }

  post(path, body, options = {}) {
    return this.request('POST', path, { body, ...options });
  }

  patch(path, body) {
    return this.request('PATCH', path, { body });
  }

  delete(path) {
    return this.request('DELETE', path);
  }

  /** One call; a 401 is answered by one refresh and one repeat. */
  async request(method, path, { body, query, anonymous = false } = {}) {
    const sent = anonymous ? null : this.#pair?.access_token;
    try {
      return await this.#call(method, path, body, query, sent);
    } catch (error) {
      if (error.status !== 401 || anonymous || !this.#pair) throw error;
      // Another call may have refreshed meanwhile: then its token is good.
      if (sent === this.#pair.access_token) await this.refresh();
      return this.#call(method, path, body, query, this.#pair?.access_token);
    }
  }

  /** An access token that is good for at least `seconds` more. */
  async freshToken(seconds = 120) {
    const left = (this.#claims().exp ?? 0) - Date.now() / 1000;
    if (left < seconds) await this.refresh();
    return this.#pair?.access_token;
  }

  /** Rotates the pair. Concurrent callers share one rotation, for a second one would look like reuse. */
  refresh() {
    this.#refreshing ??= this.#rotate().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #rotate() {
    if (!this.#pair) throw new ApiError(401, { detail: 'Not signed in' });
    try {
      const body = { refresh_token: this.#pair.refresh_token };
      this.signIn(await this.#call('POST', '/auth/refresh', body));
    } catch (error) {
      if (error.status === 401 || error.status === 403) this.#drop();
      throw error;
    }
  }

  #drop() {
    if (!this.#pair) return;
    this.#pair = null;
    sessionStorage.removeItem(this.#key);
    this.dispatchEvent(new Event('signedout'));
  }

  #claims() {
    try {
      const part = this.#pair.access_token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
      return JSON.parse(atob(part));
    } catch {
      return {};
    }
  }

  async #call(method, path, body, query, token) {
    const url = new URL(path.startsWith(BESIDE) ? path : BASE + path, location.origin);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
    }
    const headers = { Accept: 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: 'no-store',
      });
    } catch {
      throw new ApiError(0, null);
    }
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    throw new ApiError(response.status, answer, Number(response.headers.get('Retry-After')) || null);
  }
}
