// The desk: availability, what rings, the conversations and the one that is open, follow-ups, reviews.

import { h, button, icon, avatar, busy, notice } from '../shared/ui.js';
import { ageAndSex, initials, stopwatch } from '../shared/format.js';
import { presenceCard } from './presence.js';
import { Requests } from './requests.js';
import { Ring } from './ring.js';
import { Case } from './case.js';
import { caseView } from './case-view.js';
import { figuresView } from './figures.js';
import { reviewsList } from './reviews.js';
import { Followups, followupTidings } from '../shared/followups.js';
import { followupList } from '../shared/followup-view.js';

export function deskView(app) {
  const { api, inbox } = app;
  const requests = new Requests(api);
  const ring = new Ring();
  const presence = presenceCard(app);
  const cases = new Map();
  const followups = new Followups(api);
  const agenda = followupList({ followups, role: 'doctor', empty: 'None is planned.' });
  const reviews = reviewsList({ api });
  let open = null;

  const requestList = h('ul', { class: 'requests', test: 'requests' });
  const caseList = h('ul', { class: 'cases', test: 'cases' });
  const mute = h('button', { type: 'button', class: 'button quiet round', test: 'mute-ring', on: { click: toggleSound } });
  const banner = h('button', { type: 'button', class: 'ring-banner', hidden: true, on: { click: () => close() } });
  const main = h('div', { class: 'desk-main' }, banner, emptyMain(api));
  const root = h(
    'div',
    { class: 'desk', test: 'desk' },
    h(
      'aside',
      { class: 'desk-side' },
      h('h1', { class: 'sr' }, 'Desk'),
      presence.root,
      h('section', { 'aria-labelledby': 'h-requests' }, h('div', { class: 'row between' }, h('h2', { id: 'h-requests' }, 'Requests'), mute), requestList),
      h('section', { 'aria-labelledby': 'h-cases' }, h('h2', { id: 'h-cases' }, 'Consultations'), caseList),
      h('section', { 'aria-labelledby': 'h-followups' }, h('h2', { id: 'h-followups' }, 'Follow-ups'), agenda.root),
      h('section', {}, reviews.root),
    ),
    main,
  );

  // Requests

  function toggleSound() {
    ring.muted = !ring.muted;
    showSound();
  }

  function showSound() {
    const label = ring.muted ? 'Ringing is muted' : 'Ringing is on';
    mute.replaceChildren(icon(ring.muted ? 'bell-off' : 'bell'));
    mute.setAttribute('aria-label', label);
    mute.setAttribute('aria-pressed', String(ring.muted));
    mute.title = label;
  }

  function renderRequests() {
    const { items } = requests;
    requestList.replaceChildren(...items.map(requestRow));
    if (items.length === 0) {
      ring.stop();
      requestList.append(h('li', { class: 'muted empty' }, 'Nobody is waiting.'));
    }
    banner.hidden = items.length === 0;
    banner.replaceChildren(icon('bell'), h('span', {}, items.length === 1 ? `${nameOf(items[0].patient)} is ringing` : `${items.length} patients are ringing`));
  }

  function requestRow(item) {
    const accept = button('Accept', { kind: 'primary small', icon: 'check', test: 'accept', on: () => busy(accept, () => take(item)) });
    const reject = button('Decline', { kind: 'quiet small', test: 'reject', on: () => busy(reject, () => refuse(item)) });
    return h(
      'li',
      { class: 'card request', test: 'request', 'data-session': item.session_id },
      h(
        'div',
        { class: 'row nowrap' },
        avatar(item.patient?.initials ?? initials(nameOf(item.patient)), 'pulse'),
        h('div', { class: 'grow' }, h('h3', {}, nameOf(item.patient)), h('p', { class: 'muted' }, ageAndSex(item.patient))),
        h('span', { class: 'muted waited', 'data-since': item.requested_at }, waited(item.requested_at)),
      ),
      item.symptoms?.length ? h('p', {}, item.symptoms.join(', ')) : null,
      h('div', { class: 'row end' }, reject, accept),
    );
  }

  async function take(item) {
    try {
      await api.post(`/connect/sessions/${item.session_id}/accept`);
      requests.remove(item.session_id);
    } catch (error) {
      if (error.code === 'ACTIVE_SESSION_EXISTS') throw new Error('The patient is in another consultation. The request stays open.');
      if (error.code === 'ILLEGAL_TRANSITION') requests.remove(item.session_id);
      throw error;
    }
    await adopt(item.session_id);
    openCase(item.session_id);
  }

  async function refuse(item) {
    await api.post(`/connect/sessions/${item.session_id}/reject`);
    requests.remove(item.session_id);
  }

  // Consultations

  /** Brings a session onto the desk, or up to date. */
  async function adopt(sessionId) {
    const session = await api.get(`/connect/sessions/${sessionId}`);
    await put(session);
  }

  async function put(session) {
    const known = cases.get(session.id);
    if (known) return known.update(session);
    if (session.status !== 'ONGOING') return undefined;
    const fresh = new Case({ api, inbox, session });
    fresh.addEventListener('change', renderCases);
    fresh.call.addEventListener('change', () => onCall(fresh));
    cases.set(session.id, fresh);
    renderCases();
    return fresh.load();
  }

  /** One voice at a time: who joins a call leaves the one before. */
  function onCall(item) {
    if (item.call.state === 'joining') {
      for (const other of cases.values()) if (other !== item) other.call.leave();
    }
    renderCases();
  }

  function renderCases() {
    const focused = caseList.contains(document.activeElement) ? document.activeElement.dataset.session : null;
    const order = [...cases.values()].sort((a, b) => b.touchedAt - a.touchedAt);
    caseList.replaceChildren(...order.map(caseRow));
    if (order.length === 0) caseList.append(h('li', { class: 'muted empty' }, 'No consultation is running.'));
    if (focused) caseList.querySelector(`[data-session="${CSS.escape(focused)}"]`)?.focus();
  }

  function caseRow(item) {
    const { patient, id } = item.session;
    const unread = item === open?.item ? 0 : item.chat.unread;
    const preview = item.chat.peerIsTyping ? 'typing…' : item.chat.preview;
    return h(
      'li',
      {},
      h(
        'button',
        {
          type: 'button',
          class: 'case',
          test: 'case',
          'data-session': id,
          'aria-current': item === open?.item ? 'true' : null,
          on: { click: () => openCase(id) },
        },
        avatar(patient.initials ?? initials(nameOf(patient))),
        h(
          'span',
          { class: 'grow stack tight' },
          h('strong', {}, nameOf(patient)),
          h('span', { class: 'muted preview' }, item.ended ? 'Ended' : preview),
        ),
        item.call.state === 'joined' ? icon('phone', 'In a call') : null,
        unread ? h('span', { class: 'unread', test: 'unread', 'aria-label': `${unread} unread` }, String(unread)) : null,
      ),
    );
  }

  function openCase(sessionId) {
    const item = cases.get(sessionId);
    if (!item || open?.item === item) return;
    open?.view.dispose();
    const view = caseView({ api, followups, item, onClose: close, onDismiss: () => dismiss(sessionId) });
    open = { item, view };
    main.replaceChildren(banner, view.root);
    root.classList.add('in-case');
    renderCases();
    view.shown();
  }

  function close() {
    open?.view.dispose();
    open = null;
    main.replaceChildren(banner, emptyMain(api));
    root.classList.remove('in-case');
    renderCases();
  }

  function dismiss(sessionId) {
    close();
    cases.get(sessionId)?.dispose();
    cases.delete(sessionId);
    renderCases();
  }

  // Live

  requests.addEventListener('change', renderRequests);
  requests.addEventListener('ring', ({ detail }) => ring.start(`${nameOf(detail.patient)} is calling`));
  const clock = setInterval(() => {
    requests.sweep();
    for (const element of requestList.querySelectorAll('.waited')) element.textContent = waited(element.dataset.since);
  }, 1_000);

  async function refresh() {
    try {
      const { items } = await api.get('/connect/sessions/active');
      const running = items.filter((session) => session.status === 'ONGOING');
      await Promise.all(running.map(put));
      const gone = [...cases.keys()].filter((id) => !running.some((session) => session.id === id));
      await Promise.all(gone.map(adopt));
      await Promise.all(running.map((session) => cases.get(session.id).load()));
      await Promise.all([presence.load(), followups.load(), reviews.load()]);
    } catch (error) {
      if (api.signedIn) notice(error.message, 'bad');
    }
  }

  async function onEvent(event) {
    const id = event.session_id ?? event.data?.session_id;
    if (!id) return undefined;
    if (event.type === 'session.accepted' || event.type === 'session.ended') {
      requests.remove(id);
      await adopt(id);
      return presence.load();
    }
    followups.apply(event);
    tell(event);
    if (event.type === 'review.submitted') reviews.load();
    if (open?.item.session.id === id) open.view.onEvent(event);
    return cases.get(id)?.apply(event);
  }

  /** What patients answer once the consultation is over. */
  function tell(event) {
    const text = event.type === 'review.submitted' ? 'A patient has left a review.' : followupTidings(event, 'doctor');
    if (text) notice(text);
  }

  requests.start();
  showSound();
  renderRequests();
  renderCases();
  presence.load().catch(() => {});
  return {
    root,
    refresh,
    onEvent,
    dispose() {
      clearInterval(clock);
      requests.stop();
      ring.stop();
      agenda.dispose();
      open?.view.dispose();
      for (const item of cases.values()) item.dispose();
    },
  };
}

function nameOf(patient) {
  return patient?.name || 'Patient';
}

function waited(since) {
  return stopwatch((Date.now() - Date.parse(since)) / 1000);
}

function emptyMain(api) {
  return h('div', { class: 'nothing-open' }, icon('chat'), h('p', {}, 'Choose a consultation, or wait for one to ring.'), figuresView(api));
}
