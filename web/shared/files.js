// Attachments of one consultation (connect-v2 §3.9): sending a file past the server to the store, and the addresses by
// which files are shown. It knows no DOM.

/** The addresses hold for ten minutes; they are asked for anew a little before. */
const LINKS_LAST_MS = 9 * 60_000;
const RETRY_MS = 4_000;
const PAGE = 100;

/** What the contract takes; a browser often names no type, so the extension helps. */
const TYPES = {
  jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp', heic: 'image/heic',
  pdf: 'application/pdf', txt: 'text/plain', doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  m4a: 'audio/mp4', aac: 'audio/aac', mp3: 'audio/mpeg', ogg: 'audio/ogg', wav: 'audio/wav', webm: 'audio/webm',
};

export const ACCEPT = Object.keys(TYPES).map((extension) => `.${extension}`).join(',');
export const MOST_BYTES = 25 * 1024 * 1024;

function typeOf(file) {
  return TYPES[file.name.split('.').pop().toLowerCase()] ?? file.type;
}

/** `image | audio | file`, the word of a message that carries it. */
export function kindOf(contentType) {
  const family = contentType.split('/')[0];
  return family === 'image' || family === 'audio' ? family : 'file';
}

/** Fires `change` when more is known of a file. */
export class Files extends EventTarget {
  #api;
  #path;
  #known = new Map();
  #wanted = new Set();
  #missing = new Set();
  #readAt = 0;
  #reading = null;

  constructor({ api, sessionId }) {
    super();
    this.#api = api;
    this.#path = `/connect/sessions/${sessionId}/attachments`;
  }

  /** Begins, sends, completes; answers the attachment. */
  async send(file) {
    const declared = { filename: file.name, content_type: typeOf(file), size_bytes: file.size };
    const { id, upload_url: url } = await this.#api.post(`${this.#path}/init`, declared);
    const headers = { 'Content-Type': declared.content_type, 'x-ms-blob-type': 'BlockBlob' };
    const sent = await fetch(url, { method: 'PUT', headers, body: file }).catch(() => null);
    if (!sent?.ok) throw new Error('The file could not be sent');
    const done = await this.#api.post(`${this.#path}/${id}/complete`, {});
    this.learn(done);
    return done;
  }

  /** What an event or a completed upload tells, which has no address. */
  learn(item) {
    const known = this.#known.get(item.id);
    this.#known.set(item.id, { ...known, ...item, download_url: known?.download_url });
    this.#missing.delete(item.id);
    this.dispatchEvent(new Event('change'));
  }

  /** What is known of a file, perhaps nothing yet: then it is read, once. */
  find(id) {
    const item = this.#known.get(id) ?? null;
    if (!item?.download_url && !this.#missing.has(id)) {
      this.#wanted.add(id);
      this.#read();
    }
    return item;
  }

  /** An address that holds. */
  async link(id) {
    if (!this.#known.get(id)?.download_url || Date.now() - this.#readAt > LINKS_LAST_MS) await this.#read();
    return this.#known.get(id)?.download_url ?? null;
  }

  #read() {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
      if (this.#wanted.size > 0) this.#read();
    });
    return this.#reading;
  }

  async #readAll() {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    try {
      for (let offset = 0, more = true; more; offset += PAGE) {
        const page = await this.#api.get(this.#path, { include_download_url: true, limit: PAGE, offset });
        for (const item of page.items) this.#known.set(item.id, item);
        more = page.has_more;
      }
    } catch (error) {
      if (error.transient) setTimeout(() => wanted.forEach((id) => this.find(id)), RETRY_MS);
      return;
    }
    this.#readAt = Date.now();
    // What is not there now was deleted; asking again and again would not bring it back.
    for (const id of wanted) if (!this.#known.get(id)?.download_url) this.#missing.add(id);
    this.dispatchEvent(new Event('change'));
  }
}
