// The patient's app: which view is shown follows from the login, the profile and the live session.

import { Api } from '../shared/api.js';
import { Inbox } from '../shared/inbox.js';
import { showLinkState } from '../shared/link-state.js';
import { h, notice, show } from '../shared/ui.js';
import { money } from '../shared/format.js';
import { signInView } from './sign-in.js';
import { profileView } from './profile.js';
import { doctorsView } from './doctors.js';
import { waitingView } from './waiting.js';
import { consultationView } from './consultation.js';
import { summaryView } from './summary.js';
import { Followups, isFollowupEvent } from '../shared/followups.js';
import { tidings } from './tidings.js';
import { walletView } from './wallet.js';

const api = new Api('consilium.patient');
const inbox = new Inbox(api);
const view = document.querySelector('#view');
const who = document.querySelector('#who');
const signOut = document.querySelector('#sign-out');
const purse = document.querySelector('#purse');

/** What the views share; they change the page only through `go`. */
const app = { api, inbox, user: null, session: null, followups: new Followups(api), go, open };

const VIEWS = {
  'sign-in': signInView,
  profile: profileView,
  doctors: doctorsView,
  waiting: waitingView,
  consultation: consultationView,
  summary: summaryView,
  wallet: walletView,
};

let current = null;

function go(name, detail) {
  current?.dispose?.();
  view.dataset.view = name;
  current = VIEWS[name](app, detail);
  show(view, current.root);
  current.shown?.();
}

/** After sign-in, after a reload, and whenever events may have been missed. */
async function refresh() {
  try {
    app.user = await api.get('/users/me');
    who.textContent = app.user.full_name ?? app.user.phone ?? '';
    showPurse();
    if (!app.user.profile_completed) return void (view.dataset.view === 'profile' || go('profile'));
    const { items } = await api.get('/connect/sessions/active');
    route(items.find((s) => s.status === 'ONGOING') ?? items.find((s) => s.status === 'REQUESTED'));
  } catch (error) {
    if (api.signedIn) notice(error.message, 'bad');
  }
}

async function route(session) {
  const shown = view.dataset.view;
  if (!session) {
    // What was live a moment ago has ended while nobody listened: show how.
    const last = app.session;
    if (last && (shown === 'consultation' || shown === 'waiting')) return finish(last.id);
    const paid = orderPaidFor();
    if (paid) go('wallet', paid);
    else if (shown !== 'doctors' && shown !== 'summary' && shown !== 'wallet') go('doctors');
    else current.reload?.();
    return;
  }
  const same = app.session?.id === session.id;
  app.session = session;
  const wanted = session.status === 'ONGOING' ? 'consultation' : 'waiting';
  if (same && shown === wanted) current.reload?.();
  else go(wanted);
}

/** The session is over, one way or another; its detail says how. */
async function finish(sessionId) {
  const last = app.session;
  app.session = null;
  let session;
  try {
    session = await api.get(`/connect/sessions/${sessionId}`);
  } catch (error) {
    app.session = last;
    throw error;
  }
  if (session.status === 'ENDED') return go('summary', session);
  const reasons = {
    REJECTED: 'The doctor cannot take your request right now.',
    EXPIRED: 'The doctor did not answer in time.',
    CANCELLED: 'The request was cancelled.',
  };
  notice(reasons[session.status] ?? 'The request is over.');
  go('doctors');
}

/** Back from the checkout: the address names the order, once. */
function orderPaidFor() {
  const order = /^#order=(cf_order_\w+)$/.exec(location.hash)?.[1] ?? null;
  if (order) history.replaceState(null, '', location.pathname);
  return order;
}

/** What is in the wallet, in the bar; a consultation has no room for it. */
async function showPurse(balance = null) {
  try {
    purse.querySelector('span').textContent = money(balance ?? (await api.get('/wallet/balance')).balance);
    purse.hidden = !api.signedIn;
  } catch {
    purse.hidden = true;
  }
}

async function onEvent({ detail: event }) {
  if (event.type === 'wallet.updated') showPurse(event.data.balance);
  const id = event.session_id ?? event.data?.session_id;
  if (app.session && id === app.session.id) {
    if (event.type === 'session.accepted') {
      app.session = await api.get(`/connect/sessions/${id}`);
      return go('consultation');
    }
    if (/^session\.(rejected|cancelled|expired|ended)$/.test(event.type)) return finish(id);
  } else if (event.type === 'session.requested' || event.type === 'session.accepted') {
    // Done on another device of this patient.
    return refresh();
  }
  app.followups.apply(event);
  tell(event, id);
  current?.onEvent?.(event);
}

/** What a doctor writes after the consultation is one click away. */
function tell(event, id) {
  const text = tidings(event, current?.sessionId === id);
  if (!text) return;
  const shown = view.dataset.view;
  // The home page shows follow-ups itself.
  const away = shown === 'wallet' || (shown === 'doctors' && !isFollowupEvent(event));
  notice(text, 'plain', away ? { label: 'Open', test: 'open-plan', on: () => open(id) } : null);
}

/** A consultation that is over, with all that came of it. */
async function open(id) {
  try {
    go('summary', await api.get(`/connect/sessions/${id}`));
  } catch (error) {
    notice(error.message, 'bad');
  }
}

inbox.addEventListener('event', (event) => {
  onEvent(event).catch((error) => notice(error.message, 'bad'));
});
inbox.addEventListener('fresh', refresh);
inbox.addEventListener('state', ({ detail }) => {
  if (detail === 'online') current?.online?.();
});
showLinkState(inbox, document.querySelector('#link-state'));

api.addEventListener('signedout', () => {
  app.user = null;
  app.session = null;
  app.followups = new Followups(api);
  start();
});
signOut.addEventListener('click', () => api.signOut());
purse.addEventListener('click', () => {
  if (app.session) notice('The wallet opens after the consultation.');
  else go('wallet');
});

/** Signed in: open the inbox first; `fresh` then reads the state. */
app.signedIn = () => start();

function start() {
  signOut.hidden = !api.signedIn;
  purse.hidden = true;
  who.textContent = '';
  if (!api.signedIn) return go('sign-in');
  view.dataset.view = 'starting';
  show(view, h('div', { class: 'page starting' }, h('span', { class: 'spinner', role: 'status', 'aria-label': 'Loading' })));
  inbox.start();
}

start();
