// The bell: two soft notes, a buzz on phones, and a title that flashes, until the request is answered.

const EVERY_MS = 2_400;
const RINGS = 15;
const MUTED_KEY = 'consilium.muted';

export class Ring {
  #context = null;
  #timer = null;
  #left = 0;
  #title = document.title;
  #text = null;

  get muted() {
    return localStorage.getItem(MUTED_KEY) === '1';
  }

  set muted(muted) {
    localStorage.setItem(MUTED_KEY, muted ? '1' : '0');
  }

  start(text) {
    this.#left = RINGS;
    this.#text = text;
    if (this.#timer !== null) return;
    this.#once();
    this.#timer = setInterval(() => this.#once(), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    document.title = this.#title;
  }

  #once() {
    if (this.#left-- <= 0) return this.stop();
    document.title = `● ${this.#text}`;
    setTimeout(() => {
      document.title = this.#title;
    }, EVERY_MS / 2);
    if (this.muted) return undefined;
    this.#chime();
    // Browsers refuse to buzz before the first touch; that is fine.
    if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([180, 90, 180]);
    return undefined;
  }

  #chime() {
    try {
      this.#context ??= new AudioContext();
      this.#context.resume().catch(() => {});
      this.#note(659.25, 0);
      this.#note(880, 0.22);
    } catch {
      // No sound device: the title and the list still tell.
    }
  }

  #note(frequency, after) {
    const at = this.#context.currentTime + after;
    const tone = new OscillatorNode(this.#context, { type: 'sine', frequency });
    const volume = new GainNode(this.#context, { gain: 0 });
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.22, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    tone.connect(volume).connect(this.#context.destination);
    tone.start(at);
    tone.stop(at + 0.55);
  }
}
