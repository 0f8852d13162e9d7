// The follow-ups of whoever is signed in: a doctor proposes, the patient answers (connect-v2 §3.12, §3.17, §4.6).

import { hasPassed, wallClock } from './when.js';

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
export function isOver(item) {
  if (item.scheduled_time) return Date.parse(item.scheduled_at) <= Date.now();
  return hasPassed(item.scheduled_date, null, item.scheduled_timezone);
}

/** Whether the date that waits for the doctor's answer has passed: it can only be declined then. */
export function isProposalOver(item) {
  return isAsked(item) && hasPassed(item.proposed_date, item.proposed_time, item.scheduled_timezone);
}

/** Whether the patient's proposal waits for the doctor. */
function isAsked(item) {
  return item.status === 'PENDING_DOCTOR';
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

  /**
   * Those that are agreed or wait for an answer, the next first. A proposal stays until it is answered, whatever became of
   * the date that it is to replace.
   */
  get upcoming() {
    const open = [...this.#items.values()].filter((item) => isAsked(item) || (!isFinal(item) && !isOver(item)));
    return open.sort((a, b) => Date.parse(a.scheduled_at) - Date.parse(b.scheduled_at));
  }

  /** The latest one of a session, or null. */
  latestOf(sessionId) {
    const own = [...this.#items.values()].filter((item) => item.connect_session_id === sessionId);
    return own.sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at))[0] ?? null;
  }

  async load() {
    const read = (query) => this.#api.get('/followups', { ...query, limit: MOST });
    // `upcoming` goes by the date that a proposal is to replace.
    const pages = await Promise.all([read({ upcoming: true }), read({ status: 'PENDING_DOCTOR' })]);
    const items = pages.flatMap((page) => page.items);
    for (const item of items) this.#put(item);
    // A proposal that neither names has been answered meanwhile.
    const answered = [...this.#items.values()].filter((item) => isAsked(item) && !items.some(({ id }) => id === item.id));
    await Promise.all(answered.map(({ id }) => this.#read(id)));
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
    return this.#send(`/followups/${id}/${what}`, body, () => this.#read(id));
  }

  async #read(id) {
    this.#put(await this.#api.get(`/followups/${id}`));
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
