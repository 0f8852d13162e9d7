// E-mail and password (connect-v2 endpoint 3).

import { h, button, busy, field } from '../shared/ui.js';

const DEMO_DOCTORS = [1, 2, 3, 4, 5, 6];
const DEMO_PASSWORD = 'demo-pass-1';

export function signInView(app) {
  const email = h('input', { type: 'email', name: 'email', autocomplete: 'username', required: true, test: 'email' });
  const password = h('input', { type: 'password', name: 'password', autocomplete: 'current-password', required: true, test: 'password' });
  const enter = button('Sign in', { kind: 'primary wide', type: 'submit', test: 'sign-in' });

  async function submit() {
    const body = { email: email.value.trim(), password: password.value };
    app.api.signIn(await app.api.post('/auth/doctor/login', body, { anonymous: true }));
    app.signedIn();
  }

  function chip(number) {
    const fill = () => {
      email.value = `doctor${number}@demo.example`;
      password.value = DEMO_PASSWORD;
      enter.focus();
    };
    return h('button', { type: 'button', class: 'chip', test: `demo-doctor-${number}`, on: { click: fill } }, `Doctor ${number}`);
  }

  const root = h(
    'div',
    { class: 'page narrow stack' },
    h('h1', {}, 'Welcome, doctor'),
    h('p', { class: 'muted' }, 'Sign in, go online, and take requests as they ring.'),
    h(
      'form',
      { class: 'card stack', on: { submit: (event) => (event.preventDefault(), busy(enter, submit)) } },
      field('E-mail', email),
      field('Password', password),
      enter,
      h('div', { class: 'stack tight' }, h('small', { class: 'muted' }, 'Demo doctors'), h('div', { class: 'row' }, DEMO_DOCTORS.map(chip))),
    ),
  );
  return { root, shown: () => email.focus() };
}
