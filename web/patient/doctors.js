// The home page: the follow-ups that are to come, and the doctors with live presence, one list over REST and changes over
// `presence.watch`.

import { h, button, icon, avatar, ask, busy, field, notice } from '../shared/ui.js';
import { initials, rate } from '../shared/format.js';
import { followupList } from '../shared/followup-view.js';

const WORDS = { ONLINE: 'Online', BUSY: 'In a consultation', OFFLINE: 'Offline' };
const MOST_WATCHED = 100;

export function doctorsView(app) {
  let doctors = [];
  let onlyOnline = false;
  let typing = null;
  const search = h('input', {
    type: 'search',
    placeholder: 'Name or speciality',
    'aria-label': 'Search doctors',
    test: 'doctor-search',
    on: {
      input: () => {
        clearTimeout(typing);
        typing = setTimeout(load, 250);
      },
    },
  });
  const online = h('button', { type: 'button', class: 'chip', 'aria-pressed': 'false', test: 'only-online' }, 'Online now');
  online.addEventListener('click', () => {
    onlyOnline = !onlyOnline;
    online.setAttribute('aria-pressed', String(onlyOnline));
    render();
  });
  const list = h('ul', { class: 'doctors', 'aria-busy': 'true' });
  const due = h('section', { class: 'stack', 'aria-labelledby': 'h-followups', hidden: true }, h('h2', { id: 'h-followups' }, 'Your follow-ups'));
  const followups = followupList({
    followups: app.followups,
    role: 'client',
    more: (item) => [button('The consultation', { kind: 'quiet small', icon: 'doc', test: 'followup-open', on: () => app.open(item.connect_session_id) })],
    changed: (count) => (due.hidden = count === 0),
  });
  due.append(followups.root);
  let followupsRead = null;

  async function reload() {
    followupsRead = app.followups.load().catch(() => {});
    await load();
  }

  async function load() {
    const q = search.value.trim();
    try {
      const read = q ? app.api.get('/doctors/search', { q, limit: 25 }) : app.api.get('/doctors/', { limit: 50 });
      // What stands above the list is there before it, so that it does not push it down.
      [doctors] = await Promise.all([read, followupsRead]);
    } catch (error) {
      notice(error.message, 'bad');
    }
    list.removeAttribute('aria-busy');
    render();
    watch();
  }

  /** Holds for one connection, so each reconnect loads and watches anew. */
  async function watch() {
    const ids = doctors.slice(0, MOST_WATCHED).map((doctor) => doctor.id);
    try {
      // The answer says who is there now: what changed since the list was read is not missed.
      const now = await app.inbox.command('presence.watch', { doctor_ids: ids });
      for (const { doctor_id: id, presence_status: status } of now?.presence ?? []) changed(id, status);
    } catch {
      // The next connection loads and watches again.
    }
  }

  function render() {
    const shown = doctors.filter((doctor) => !onlyOnline || doctor.presence_status === 'ONLINE');
    list.replaceChildren(...shown.map(row));
    if (shown.length === 0 && !list.hasAttribute('aria-busy')) {
      list.append(h('li', { class: 'muted empty' }, onlyOnline ? 'Nobody is online at the moment.' : 'No doctor matches.'));
    }
  }

  function row(doctor) {
    return h(
      'li',
      { class: 'card doctor', test: 'doctor', 'data-doctor': doctor.id, 'data-name': doctor.full_name },
      avatar(initials(doctor.full_name)),
      h(
        'div',
        { class: 'grow stack tight' },
        h('div', { class: 'row between' }, h('h2', {}, doctor.full_name), presence(doctor)),
        h('p', { class: 'muted' }, facts(doctor)),
        h(
          'div',
          { class: 'row between' },
          h('span', { class: 'row facts' }, rating(doctor), h('span', {}, rate(doctor.rate_per_minute))),
          button('Consult', { kind: 'primary small', test: 'consult', on: () => consult(doctor) }),
        ),
      ),
    );
  }

  async function consult(doctor) {
    const answer = await askForRequest(doctor);
    if (!answer) return;
    const symptoms = answer.symptoms.split(/[,\n]/).map((s) => s.trim().slice(0, 200)).filter(Boolean).slice(0, 20);
    const body = {
      target_doctor_id: doctor.id,
      category: doctor.speciality_category?.slice(0, 100) ?? null,
      symptoms,
      medical_history: answer.history.trim() || null,
    };
    try {
      const { session_id: id } = await app.api.post('/connect/sessions', body);
      app.session = await app.api.get(`/connect/sessions/${id}`);
      app.go(app.session.status === 'ONGOING' ? 'consultation' : 'waiting');
    } catch (error) {
      await refused(error);
    }
  }

  async function refused(error) {
    if (error.code === 'PROFILE_INCOMPLETE') return app.go('profile');
    if (error.code !== 'ACTIVE_SESSION_EXISTS') return notice(error.message, 'bad');
    notice('You already have a consultation: here it is.');
    app.session = await app.api.get(`/connect/sessions/${error.body.session_id}`);
    return app.go(app.session.status === 'ONGOING' ? 'consultation' : 'waiting');
  }

  function onEvent(event) {
    if (event.type === 'presence.changed') changed(event.data.doctor_id, event.data.presence_status);
  }

  function changed(id, status) {
    const doctor = doctors.find((d) => d.id === id);
    if (!doctor || doctor.presence_status === status) return;
    doctor.presence_status = status;
    const badge = list.querySelector(`[data-doctor="${CSS.escape(doctor.id)}"] .badge`);
    if (onlyOnline || !badge) render();
    else badge.replaceWith(presence(doctor));
  }

  const root = h(
    'div',
    { class: 'page stack' },
    due,
    h('h1', {}, 'Who would you like to talk to?'),
    h('div', { class: 'row' }, h('div', { class: 'grow search' }, icon('search'), search), online),
    list,
  );
  reload();
  return {
    root,
    onEvent,
    online: reload,
    reload,
    dispose() {
      followups.dispose();
      app.inbox.command('presence.watch', { doctor_ids: [] }).catch(() => {});
    },
  };
}

function presence(doctor) {
  const status = doctor.presence_status;
  return h('span', { class: 'badge', 'data-status': status, test: 'presence' }, WORDS[status] ?? status);
}

function rating(doctor) {
  if (!doctor.rating) return h('span', { class: 'muted' }, 'New');
  return h('span', { class: 'rating' }, icon('star', 'Rating'), doctor.rating.toFixed(1));
}

function facts(doctor) {
  const years = doctor.years_experience ? `${doctor.years_experience} years` : null;
  return [doctor.speciality_category, years].filter(Boolean).join(' · ');
}

function askForRequest(doctor) {
  const symptoms = h('input', { name: 'symptoms', maxlength: 1000, placeholder: 'e.g. back pain, fever', test: 'symptoms' });
  const history = h('textarea', { name: 'history', rows: 3, maxlength: 4000, test: 'history' });
  const away = doctor.presence_status === 'ONLINE' ? '' : ' The doctor is not free right now: your request waits and may expire.';
  return ask({
    title: `Consult ${doctor.full_name}`,
    lead: `${rate(doctor.rate_per_minute)}, counted from the moment the doctor accepts.${away}`,
    fields: [
      field('What brings you here?', symptoms, 'Separate several with commas.'),
      field('Anything the doctor should know (optional)', history),
    ],
    confirm: 'Send request',
    test: 'request',
  });
}
