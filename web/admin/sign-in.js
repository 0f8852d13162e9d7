// User name or e-mail, and password (connect-v2 endpoint 120).

import { h, button, busy, field } from '../shared/ui.js';

export function signInView(app) {
  const username = h('input', { name: 'username', autocomplete: 'username', required: true, test: 'username' });
  const password = h('input', { type: 'password', name: 'password', autocomplete: 'current-password', required: true, test: 'password' });
  const enter = button('Sign in', { kind: 'primary wide', type: 'submit', test: 'sign-in' });

  async function submit() {
    const body = { username: username.value.trim(), password: password.value };
    app.api.signIn(await app.api.post('/admin/auth/login', body, { anonymous: true }));
    await app.signedIn();
  }

  function fill() {
    username.value = 'admin';
    password.value = 'demo-pass-1';
    enter.focus();
  }

  const root = h(
    'div',
    { class: 'page narrow stack' },
    h('h1', {}, 'Welcome, admin'),
    h('p', { class: 'muted' }, 'Categories, doctors, news, and what could not be sent.'),
    h(
      'form',
      { class: 'card stack', on: { submit: (event) => (event.preventDefault(), busy(enter, submit)) } },
      field('User name or e-mail', username),
      field('Password', password),
      enter,
      h(
        'div',
        { class: 'stack tight' },
        h('small', { class: 'muted' }, 'Demo admin'),
        h('div', { class: 'row' }, h('button', { type: 'button', class: 'chip', test: 'demo-admin', on: { click: fill } }, 'admin')),
      ),
    ),
  );
  return { root, shown: () => username.focus() };
}
