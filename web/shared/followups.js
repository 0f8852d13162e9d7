// The follow-ups of whoever is signed in: a doctor proposes, the patient answers (connect-v2 §3.12, §3.17, §4.6).

import { wallClock } from './when.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
const MOST = 100;
const OPEN = ['PENDING_PATIENT', 'PENDING_DOCTOR', 'ACCEPTED'];
const WORDS = {
  DATE_IN_PAST: 'That date has passed. Please choose a later one.',
  FOLLOWUP_EXISTS: 'This consultation has a follow-up already.',
  ILLEGAL_TRANSITION: 'This is not possible any more: the follow-up has changed, or its date has passed.',
  INVALID_SESSION_STATE: 'A follow-up belongs to a consultation that runs or has ended.',
};

export function isFollowupEvent(event) {
  return event.type.startsWith('followup.');
}

/** Whether nothing more can happen to it. */
export function isFinal(item) {
  return !OPEN.includes(item.status);
}

/** Whether its date has passed; where only a day is agreed, when the day ends. */
export function isOver(item, now = Date.now()) {
  return Date.parse(item.scheduled_at) + (item.scheduled_time ? 0 : DAY_MS) <= now;
}

/** Who sits on the other side of `role`. */
export function otherParty(item, role) {
  return role === 'doctor' ? item.patient_name || 'Patient' : item.doctor_name;
}

/** What an event says to `role` in one sentence; null when it is about something else. */
export function followupTidings(event, role) {
  if (!isFollowupEvent(event)) return null;
  const { type, data } = event;
  const other = otherParty(data, role);
  const when = wallClock(data.scheduled_date, data.scheduled_time);
  switch (type) {
    case 'followup.scheduled':
      return `${other} proposes a follow-up: ${when}.`;
    case 'followup.accepted':
      return `${other} agrees to the follow-up: ${when}.`;
    case 'followup.rejected':
      return role === 'doctor' ? `${other} declines the follow-up.` : `${other} cannot make the date you proposed.`;
    case 'followup.rescheduled':
      return `${other} proposes another date: ${wallClock(data.proposed_date, data.proposed_time)}.`;
    case 'followup.cancelled':
      return `${other} has cancelled the follow-up.`;
    case 'followup.reminder':
      return `Your follow-up with ${other}: ${when}.`;
    default:
      return null;
  }
}

/** What is known of them, from answers and events alike; whatever is older than what is known is dropped. Fires `change`. */
export class Followups extends EventTarget {
  #api;
  #items = new Map();

  constructor(api) {
    super();
    this.#api = api;
  }

  /** Those that are agreed or wait for an answer, the next first. */
  get upcoming() {
    const open = [...this.#items.values()].filter((item) => !isFinal(item) && !isOver(item));
    return open.sort((a, b) => Date.parse(a.scheduled_at) - Date.parse(b.scheduled_at));
  }

  /** The latest one of a session, or null. */
  latestOf(sessionId) {
    const own = [...this.#items.values()].filter((item) => item.connect_session_id === sessionId);
    return own.sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at))[0] ?? null;
  }

  async load() {
    const { items } = await this.#api.get('/followups', { upcoming: true, limit: MOST });
    for (const item of items) this.#put(item);
  }

  async loadOf(sessionId) {
    try {
      this.#put(await this.#api.get(`/connect/sessions/${sessionId}/followup`));
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }

  apply(event) {
    if (isFollowupEvent(event)) this.#put(event.data);
  }

  // The doctor's

  schedule(sessionId, { date, time, zone }) {
    const body = { scheduled_date: date, scheduled_time: time, scheduled_timezone: zone };
    return this.#send(`/connect/sessions/${sessionId}/followup`, body, () => this.loadOf(sessionId));
  }

  answerProposal(id, accept) {
    return this.#change(id, 'respond-to-proposal', { accept });
  }

  // The patient's

  accept(id) {
    return this.#change(id, 'respond', { action: 'accept' });
  }

  reject(id) {
    return this.#change(id, 'respond', { action: 'reject' });
  }

  propose(id, { date, time }) {
    return this.#change(id, 'respond', { action: 'reschedule', proposed_date: date, proposed_time: time });
  }

  // Of both

  cancel(id, reason) {
    return this.#change(id, 'cancel', { reason });
  }

  #change(id, what, body) {
    return this.#send(`/followups/${id}/${what}`, body, async () => this.#put(await this.#api.get(`/followups/${id}`)));
  }

  /** A refusal mostly means that the other side was faster: what is shown afterwards is what there is. */
  async #send(path, body, readAgain) {
    try {
      this.#put(await this.#api.post(path, body));
    } catch (error) {
      const words = WORDS[error.code];
      if (!words) throw error;
      await readAgain().catch(() => {});
      throw new Error(words);
    }
  }

  #put(item) {
    const known = this.#items.get(item.id);
    if (known && Date.parse(known.updated_at) > Date.parse(item.updated_at)) return;
    this.#items.set(item.id, item);
    this.dispatchEvent(new Event('change'));
  }
}
