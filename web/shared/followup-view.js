// Shows follow-ups and what each side may answer: the one of a session, or all that are to come.

import { h, button, ask, busy, field } from './ui.js';
import { formDialog } from './dialog.js';
import { isFinal, isOver, isProposalOver, otherParty } from './followups.js';
import { clockHere, dayIn, hasPassed, ownZone, sameClock, wallClock, zoneName } from './when.js';

const IN_A_WEEK = 7;

/** The follow-up of a session; a doctor may schedule it here. There is nothing to see while there is none to speak of. */
export function followupView({ followups, role, sessionId }) {
  const shown = card({ followups, role, test: 'followup' });
  const schedule = button('Schedule follow-up', { kind: 'soft small', icon: 'clock', test: 'schedule-followup', on: askToSchedule });
  const root = h(
    'section',
    { class: 'followup', 'aria-label': 'Follow-up', test: 'followup', hidden: true },
    h('div', { class: 'row between' }, h('h3', {}, 'Follow-up'), role === 'doctor' ? schedule : null),
    shown.parts,
  );

  function render() {
    const item = followups.latestOf(sessionId);
    root.hidden = !item && role !== 'doctor';
    schedule.hidden = item !== null && !isFinal(item);
    shown.show(item, root);
  }

  async function askToSchedule() {
    const zone = ownZone();
    const saved = await askForDate({
      title: 'Schedule a follow-up',
      lead: 'The patient is asked whether it suits.',
      confirm: 'Propose',
      zone,
      date: dayIn(zone, IN_A_WEEK),
      save: (when) => followups.schedule(sessionId, { ...when, zone }),
    });
    if (saved) shown.focus();
  }

  followups.addEventListener('change', render);
  render();
  return {
    root,
    load: () => followups.loadOf(sessionId),
    dispose: () => followups.removeEventListener('change', render),
  };
}

/** All that are to come. `more(item)` gives further buttons; `changed(count)` hears how many there are. */
export function followupList({ followups, role, more = () => [], empty = null, changed = () => {} }) {
  const rows = new Map();
  const root = h('ul', { class: 'followups', test: 'followups' });

  function render() {
    const items = followups.upcoming;
    const order = items.map(rowOf);
    for (const id of rows.keys()) if (!items.some((item) => item.id === id)) rows.delete(id);
    // Rows stay where they are while their order does, and whoever stands on a button keeps it.
    if (order.length === 0) root.replaceChildren(...(empty ? [h('li', { class: 'muted empty' }, empty)] : []));
    else if (order.some((row, at) => root.children[at] !== row) || root.children.length !== order.length) root.replaceChildren(...order);
    changed(items.length);
  }

  function rowOf(item) {
    const known = rows.get(item.id) ?? newRow(item);
    rows.set(item.id, known);
    known.shown.show(item, known.root);
    return known.root;
  }

  function newRow(item) {
    const shown = card({ followups, role, more, test: 'followup-row' });
    return { shown, root: h('li', { class: 'card followup', test: 'followup-row' }, h('h3', {}, otherParty(item, role)), shown.parts) };
  }

  followups.addEventListener('change', render);
  render();
  return { root, dispose: () => followups.removeEventListener('change', render) };
}

/** Date, state and buttons of one follow-up, in elements that stay while it changes. */
function card({ followups, role, test, more = () => [] }) {
  const when = h('p', { class: 'followup-when', test: `${test}-when` });
  const zone = h('small', { class: 'muted' });
  const words = h('p', { class: 'followup-words', tabindex: '-1', test: `${test}-state` });
  const buttons = h('div', { class: 'row' });
  let before;

  function show(item, root) {
    // Nothing moves under a finger for what is no news.
    const version = item && `${item.id} ${item.updated_at} ${isOver(item)} ${isProposalOver(item)}`;
    if (version === before) return;
    before = version;
    root.dataset.status = item?.status ?? 'NONE';
    when.textContent = item ? wallClock(item.scheduled_date, item.scheduled_time) : '';
    zone.textContent = item ? zoneNote(item) : '';
    words.textContent = item ? stateOf(item, role) : '';
    buttons.replaceChildren(...(item ? [...answers({ followups, role, item, focus }), ...more(item)] : []));
    for (const part of [when, zone, words, buttons]) part.hidden = part.childNodes.length === 0;
  }

  // The button that was clicked is gone by then.
  const focus = () => words.focus({ preventScroll: true });

  return { parts: [when, zone, words, buttons], show, focus };
}

/** What `role` may do about it, as buttons. */
function answers({ followups, role, item, focus }) {
  const { id, status } = item;
  const act = (label, kind, test, work) => {
    const element = button(label, {
      kind: `${kind} small`,
      test,
      on: async () => {
        const done = await busy(element, () => work().then(() => true));
        if (done) focus();
      },
    });
    return element;
  };
  const accept = () => act('Accept', 'primary', 'followup-accept', () => followups.accept(id));
  const decline = () => act('Decline', 'quiet', 'followup-reject', () => followups.reject(id));
  const agree = () => act('Accept this date', 'primary', 'followup-agree', () => followups.answerProposal(id, true));
  const refuse = () => act('Decline', 'quiet', 'followup-refuse', () => followups.answerProposal(id, false));
  const another = () => button('Another date', { kind: 'soft small', test: 'followup-propose', on: () => propose(followups, item).then((saved) => saved && focus()) });
  const cancel = () => button('Cancel it', { kind: 'quiet small', test: 'followup-cancel', on: (event) => askToCancel(followups, item, event.currentTarget).then((done) => done && focus()) });
  const over = isOver(item);
  const able = {
    'client PENDING_PATIENT': [over ? null : accept, another, decline],
    'client PENDING_DOCTOR': [another, over ? null : cancel],
    'client ACCEPTED': [over ? null : cancel],
    'doctor PENDING_PATIENT': [over ? null : cancel],
    'doctor PENDING_DOCTOR': [isProposalOver(item) ? null : agree, refuse],
    'doctor ACCEPTED': [over ? null : cancel],
  };
  return (able[`${role} ${status}`] ?? []).filter(Boolean).map((make) => make());
}

/** Where it stands, as `role` sees it. */
function stateOf(item, role) {
  const over = isOver(item) ? ' Its date has passed.' : '';
  const proposal = item.proposed_date ? wallClock(item.proposed_date, item.proposed_time) : '';
  const late = isProposalOver(item) ? ' That date has passed.' : '';
  const mine = item.cancelled_by === (role === 'doctor' ? 'doctor' : 'patient');
  const reason = item.cancel_reason ? ` “${item.cancel_reason}”` : '';
  switch (`${role} ${item.status}`) {
    case 'client PENDING_PATIENT':
      return over ? `You have not answered.${over}` : 'The doctor asks: does this suit you?';
    case 'client PENDING_DOCTOR':
      return `You proposed ${proposal} instead. The doctor has not answered yet.${late}`;
    case 'doctor PENDING_PATIENT':
      return `The patient has not answered yet.${over}`;
    case 'doctor PENDING_DOCTOR':
      return `The patient proposes ${proposal} instead.${late}`;
    case 'client REJECTED':
      return proposal ? `The doctor cannot make ${proposal}, which you proposed.` : 'You declined.';
    case 'doctor REJECTED':
      return proposal ? `You declined ${proposal}, which the patient proposed.` : 'The patient declined.';
    case 'client CANCELLED':
    case 'doctor CANCELLED':
      return `${mine ? 'You have cancelled it.' : 'It was cancelled.'}${reason}`;
    default:
      return over ? `It was agreed.${over}` : 'Agreed.';
  }
}

/** A time of day somewhere else is told with its zone, and with what the clock here shows then. */
function zoneNote(item) {
  if (!(item.scheduled_time || item.proposed_time) || sameClock(item.scheduled_timezone, item.scheduled_at)) return '';
  const there = `Times are those of ${zoneName(item.scheduled_timezone)}.`;
  return item.scheduled_time ? `${there} Here it is ${clockHere(item.scheduled_at)} then.` : there;
}

function propose(followups, item) {
  const zone = item.scheduled_timezone;
  const [wanted, time] = item.proposed_date ? [item.proposed_date, item.proposed_time] : [item.scheduled_date, item.scheduled_time];
  return askForDate({
    title: 'Propose another date',
    lead: `${item.doctor_name} is asked whether it suits.`,
    confirm: 'Propose',
    zone,
    date: hasPassed(wanted, time, zone) ? dayIn(zone, IN_A_WEEK) : wanted,
    time,
    save: (when) => followups.propose(item.id, when),
  });
}

async function askToCancel(followups, item, element) {
  const reason = h('textarea', { name: 'reason', rows: 3, maxlength: 500, test: 'followup-reason' });
  const answer = await ask({
    title: 'Cancel the follow-up?',
    lead: wallClock(item.scheduled_date, item.scheduled_time),
    fields: [field('Reason (optional)', reason, 'The other side reads it.')],
    confirm: 'Cancel it',
    kind: 'danger',
    dismiss: 'Keep it',
    test: 'cancel-followup',
  });
  if (!answer) return false;
  return busy(element, () => followups.cancel(item.id, answer.reason.trim() || null).then(() => true));
}

/** A day, and a time of day where one is wanted. Resolves with whether it was saved. */
function askForDate({ title, lead, confirm, zone, date, time = null, save }) {
  const day = h('input', { type: 'date', name: 'date', required: true, min: dayIn(zone), max: '9999-12-31', value: date, test: 'followup-date' });
  const clock = h('input', { type: 'time', name: 'time', value: time?.slice(0, 5), test: 'followup-time' });
  return formDialog({
    title,
    lead,
    fields: [field('Day', day), field('Time (optional)', clock, `By the clock of ${zoneName(zone)}.`)],
    confirm,
    test: 'followup-form',
    save: () => save({ date: day.value, time: clock.value ? `${clock.value.slice(0, 5)}:00` : null }),
  });
}
