// Doctors, also those whom patients do not see: made, verified, switched on and off (connect-v2 35, 36).

import { h, button, busy, field, ask, notice } from '../shared/ui.js';
import { rate } from '../shared/format.js';
import { pagedList, sending, textOf, toggle } from './list.js';

const PAGE = 20;
const FILTERS = [['All', null], ['Seen by patients', true], ['Not seen', false]];

export function doctorsView({ api }) {
  let visible = null;
  let typing = null;
  const search = h('input', {
    type: 'search',
    placeholder: 'Name or e-mail',
    'aria-label': 'Search doctors',
    test: 'doctor-search',
    on: {
      input: () => {
        clearTimeout(typing);
        typing = setTimeout(() => list.load(), 250);
      },
    },
  });
  const chips = FILTERS.map(([label, value]) => {
    const pick = () => {
      visible = value;
      for (const [at, chip] of chips.entries()) chip.setAttribute('aria-pressed', String(FILTERS[at][1] === visible));
      list.load();
    };
    return h('button', { type: 'button', class: 'chip', 'aria-pressed': String(value === null), on: { click: pick }, test: `show-${value}` }, label);
  });
  const make = button('New doctor', { kind: 'primary small', test: 'doctor-new', on: () => making() });
  const list = pagedList({
    read: (offset) => api.get('/operations/doctors', { limit: PAGE, offset, search: search.value.trim(), is_visible: visible }),
    row,
    empty: 'No doctor matches.',
    test: 'doctors',
  });

  function row(item) {
    const change = async (body) => {
      await api.patch(`/doctors/${item.id}`, body);
      await list.load();
    };
    const edit = button('Edit', { kind: 'soft small', test: 'doctor-edit', on: () => busy(edit, () => editing(item, change)) });
    const facts = [item.speciality_category, rate(item.rate_per_minute), item.email, item.registration_number];
    return h(
      'li',
      {
        class: item.is_active && item.is_verified ? '' : 'off',
        test: 'doctor',
        'data-name': item.full_name,
        'data-verified': String(item.is_verified),
        'data-active': String(item.is_active),
      },
      h(
        'div',
        { class: 'grow' },
        h('div', { class: 'row' }, h('strong', {}, item.full_name), h('span', { class: 'badge', 'data-status': item.presence_status }, word(item))),
        h('p', { class: 'muted' }, facts.filter(Boolean).join(' · ')),
      ),
      toggle('Verified', item.is_verified, 'doctor-verified', (on) => change({ is_verified: on })),
      toggle('Switched on', item.is_active, 'doctor-active', (on) => setActive(item, on, change)),
      edit,
    );
  }

  async function setActive(item, on, change) {
    const sure =
      on ||
      (await ask({
        title: `Switch ${item.full_name} off?`,
        lead: 'Every sign-in ends, and open requests are cancelled.',
        confirm: 'Switch off',
        kind: 'danger',
        test: 'switch-off',
      }));
    if (!sure) return list.load();
    return change({ is_active: on });
  }

  async function editing(item, change) {
    const answer = await ask({
      title: 'Edit the doctor',
      fields: [
        field('Full name', h('input', { name: 'full_name', minlength: 2, maxlength: 100, required: true, value: item.full_name, test: 'edit-name' })),
        field('Speciality', h('input', { name: 'speciality_category', maxlength: 100, required: true, value: item.speciality_category })),
        field('Rupees per minute', h('input', { name: 'rate', type: 'number', min: 0, max: 100000, step: '0.01', required: true, value: String(item.rate_per_minute / 100), test: 'edit-rate' })),
        field('Registration number', h('input', { name: 'registration_number', minlength: 6, maxlength: 50, value: item.registration_number ?? '' })),
      ],
      confirm: 'Save',
      test: 'edit',
    });
    if (!answer) return;
    await change({
      full_name: answer.full_name,
      speciality_category: answer.speciality_category,
      rate_per_minute: Math.round(Number(answer.rate) * 100),
      registration_number: answer.registration_number.trim() || null,
    });
  }

  /** A form of its own, not a question: what was typed stays when the server refuses it. */
  function making() {
    if (root.querySelector('#new-doctor')) return;
    const input = (name, attrs) => h('input', { name, autocomplete: 'off', required: true, test: `new-${name}`, ...attrs });
    const email = input('email', { type: 'email', maxlength: 254 });
    const password = input('password', { type: 'password', minlength: 8, maxlength: 128, autocomplete: 'new-password' });
    const fullName = input('name', { minlength: 2, maxlength: 100, placeholder: 'Dr. …' });
    const speciality = input('speciality', { maxlength: 100, value: 'General Medicine' });
    const registration = input('registration', { minlength: 6, maxlength: 50, required: false });
    const verified = h('input', { type: 'checkbox', role: 'switch', test: 'new-verified' });
    const save = button('Make', { kind: 'primary', type: 'submit', test: 'new-save' });
    const form = sending(
      h(
        'form',
        { class: 'card stack', id: 'new-doctor' },
        h('h2', {}, 'New doctor'),
        h('div', { class: 'pair' }, field('Full name', fullName), field('Speciality', speciality)),
        h('div', { class: 'pair' }, field('E-mail', email), field('Password', password, 'The doctor signs in with both.')),
        field('Registration number', registration),
        h('label', { class: 'switch' }, verified, 'Verified: patients see the doctor at once'),
        h('div', { class: 'row end' }, button('Back', { kind: 'quiet', on: () => form.remove() }), save),
      ),
      save,
      async () => {
        const made = await api.post('/doctors/', {
          email: email.value.trim(),
          password: password.value,
          full_name: fullName.value,
          speciality_category: speciality.value,
          registration_number: textOf(registration),
          is_verified: verified.checked,
        });
        form.remove();
        notice(`${made.full_name} can sign in.`);
        await list.load();
      },
    );
    root.querySelector('.tools').after(form);
    fullName.focus();
  }

  const root = h(
    'div',
    { class: 'page stack' },
    h('div', { class: 'row between' }, h('h1', {}, 'Doctors'), make),
    h('div', { class: 'row tools' }, h('div', { class: 'search grow' }, search), chips),
    list.root,
  );
  list.load();
  return { root, dispose: () => clearTimeout(typing) };
}

function word(item) {
  if (!item.is_active) return 'Switched off';
  if (!item.is_verified) return 'Not verified';
  return { ONLINE: 'Online', BUSY: 'Busy' }[item.presence_status] ?? 'Offline';
}
