// The admin's page: sign-in, then categories, doctors, news and the outbox. The address names the place, so that a reload
// and the browser's own buttons find it.

import { Api } from '../shared/api.js';
import { h, show } from '../shared/ui.js';
import { signInView } from './sign-in.js';
import { categoriesView } from './categories.js';
import { doctorsView } from './doctors.js';
import { newsView } from './news.js';
import { outboxView } from './outbox.js';

const PLACES = {
  categories: ['Categories', categoriesView],
  doctors: ['Doctors', doctorsView],
  news: ['News', newsView],
  outbox: ['Dead letters', outboxView],
};

const api = new Api('consilium.admin');
const view = document.querySelector('#view');
const who = document.querySelector('#who');
const places = document.querySelector('#places');
const signOut = document.querySelector('#sign-out');

let current = null;

function go(make) {
  current?.dispose?.();
  current = make({ api, signedIn: start });
  show(view, current.root);
  current.shown?.();
}

/** The place that the address names; what else stands behind `#` (the skip link's target) is none. */
function placeOf() {
  const name = location.hash.slice(1);
  return Object.hasOwn(PLACES, name) ? name : null;
}

function route() {
  const name = placeOf() ?? 'categories';
  for (const link of places.children) {
    if (link.dataset.place === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  go(PLACES[name][1]);
}

async function start() {
  signOut.hidden = !api.signedIn;
  places.hidden = !api.signedIn;
  who.textContent = '';
  if (!api.signedIn) return go(signInView);
  route();
  try {
    who.textContent = (await api.get('/admin/auth/me')).full_name;
  } catch {
    // The name is no more than a courtesy.
  }
}

places.append(
  ...Object.entries(PLACES).map(([name, [label]]) => h('a', { href: `#${name}`, test: `to-${name}`, 'data-place': name }, label)),
);
addEventListener('hashchange', () => api.signedIn && placeOf() && route());
api.addEventListener('signedout', start);
signOut.addEventListener('click', () => api.signOut());
start();
