// The doctor's app: sign-in, then the desk with requests and conversations.

import { Api } from '../shared/api.js';
import { Inbox } from '../shared/inbox.js';
import { showLinkState } from '../shared/link-state.js';
import { notice, show } from '../shared/ui.js';
import { signInView } from './sign-in.js';
import { deskView } from './desk.js';

const api = new Api('consilium.doctor');
const inbox = new Inbox(api);
const view = document.querySelector('#view');
const who = document.querySelector('#who');
const signOut = document.querySelector('#sign-out');

let current = null;

function go(make) {
  current?.dispose?.();
  current = make({ api, inbox, who, signedIn: start });
  show(view, current.root);
  current.shown?.();
}

function start() {
  signOut.hidden = !api.signedIn;
  who.textContent = '';
  if (!api.signedIn) return go(signInView);
  go(deskView);
  return inbox.start();
}

inbox.addEventListener('event', ({ detail: event }) => {
  Promise.resolve(current?.onEvent?.(event)).catch((error) => notice(error.message, 'bad'));
});
inbox.addEventListener('fresh', () => current?.refresh?.());
showLinkState(inbox, document.querySelector('#link-state'));

api.addEventListener('signedout', start);
signOut.addEventListener('click', () => api.signOut());
start();
