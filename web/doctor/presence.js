// The online switch (connect-v2 endpoints 16, 18 and 22). BUSY is not chosen: it follows from consultations.

import { h, notice } from '../shared/ui.js';

const WORDS = { ONLINE: 'Online', BUSY: 'Busy', OFFLINE: 'Offline' };

export function presenceCard(app) {
  const input = h('input', { type: 'checkbox', role: 'switch', test: 'online-switch', on: { change: toggle } });
  const badge = h('span', { class: 'badge', test: 'own-presence', role: 'status' });
  const root = h('section', { class: 'presence', 'aria-label': 'Availability' }, h('label', { class: 'switch' }, input, 'Take requests'), badge);

  function showStatus(status) {
    badge.dataset.status = status;
    badge.textContent = WORDS[status] ?? status;
  }

  async function load() {
    const { doctor, availability } = await app.api.get('/doctors/me/overview');
    app.who.textContent = doctor.name;
    input.checked = availability.is_online;
    if (!availability.is_online) return showStatus('OFFLINE');
    return showStatus((await app.api.get(`/doctors/${app.api.me}`)).presence_status);
  }

  async function toggle() {
    input.disabled = true;
    try {
      const body = { presence_status: input.checked ? 'online' : 'offline' };
      showStatus((await app.api.patch('/doctors/me/presence', body)).presence_status);
    } catch (error) {
      input.checked = !input.checked;
      notice(error.message, 'bad');
    } finally {
      input.disabled = false;
    }
  }

  return { root, load };
}
