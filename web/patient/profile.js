// Age and sex are needed before a consultation can be asked for (connect-v2 endpoint 7, `PROFILE_INCOMPLETE`).

import { h, button, busy, field } from '../shared/ui.js';

const SEXES = [
  ['female', 'Female'],
  ['male', 'Male'],
  ['other', 'Other'],
  ['prefer_not_to_say', 'Prefer not to say'],
];

export function profileView(app) {
  const user = app.user ?? {};
  const name = h('input', { name: 'name', autocomplete: 'name', maxlength: 100, required: true, value: user.full_name ?? '', test: 'full-name' });
  const age = h('input', { name: 'age', type: 'number', inputmode: 'numeric', min: 1, max: 150, required: true, value: user.age ?? '', test: 'age' });
  const sex = h(
    'select',
    { name: 'sex', required: true, test: 'sex' },
    h('option', { value: '' }, 'Choose…'),
    SEXES.map(([value, label]) => h('option', { value, selected: user.sex === value }, label)),
  );
  const save = button('Save and continue', { kind: 'primary wide', type: 'submit', test: 'save-profile' });

  async function submit() {
    const body = { full_name: name.value.trim(), age: Number(age.value), sex: sex.value };
    app.user = await app.api.patch('/users/me', body);
    document.querySelector('#who').textContent = app.user.full_name ?? '';
    app.go('doctors');
  }

  const root = h(
    'div',
    { class: 'page narrow stack' },
    h('h1', {}, 'A little about you'),
    h('p', { class: 'muted' }, 'The doctor sees your name, age and sex, and nobody else does.'),
    h(
      'form',
      { class: 'card stack', on: { submit: (event) => (event.preventDefault(), busy(save, submit)) } },
      field('Name', name),
      field('Age', age),
      field('Sex', sex),
      save,
    ),
  );
  return { root };
}
