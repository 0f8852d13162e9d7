// Polls /dev/inbox.json with `after`, so that each look fetches only what is new (running.md).

import { h, button, notice } from '../shared/ui.js';

const EVERY_MS = 1_500;
const KEPT = 1_000;
const NAMES = { sms: 'SMS', email: 'E-mail', push: 'Push' };

const list = document.querySelector('#items');
const live = document.querySelector('#live');
const to = document.querySelector('#to');
const chips = [...document.querySelectorAll('[data-channel]')];

let channel = '';
let after = 0;
let timer = null;
let run = 0;

async function poll() {
  const mine = run;
  const query = new URLSearchParams({ limit: String(KEPT) });
  if (after) query.set('after', String(after));
  if (channel) query.set('channel', channel);
  if (to.value.trim()) query.set('to', to.value.trim());
  try {
    const response = await fetch(`/dev/inbox.json?${query}`, { cache: 'no-store' });
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    const { items } = await response.json();
    if (mine !== run) return;
    add(items);
    say('live', 'ONLINE');
  } catch {
    if (mine !== run) return;
    say('not reachable', 'OFFLINE');
  }
  timer = setTimeout(poll, EVERY_MS);
}

function say(text, status) {
  if (live.textContent !== text) live.textContent = text;
  live.dataset.status = status;
}

function add(items) {
  if (items.length > 0 || list.children.length === 0) list.querySelector('.none')?.remove();
  for (const item of items) {
    list.prepend(row(item));
    after = Math.max(after, item.id);
  }
  while (list.children.length > KEPT) list.lastElementChild.remove();
  if (list.children.length === 0) list.append(h('li', { class: 'none' }, 'Nothing has been sent yet.'));
}

function row(item) {
  const at = new Date(item.created_at);
  return h(
    'li',
    { class: 'card item', test: 'inbox-item' },
    h(
      'header',
      {},
      h('span', { class: 'channel' }, NAMES[item.channel] ?? item.channel),
      h('span', { class: 'to' }, `to ${item.to}`),
      h('time', { datetime: item.created_at }, at.toLocaleTimeString()),
    ),
    item.subject ? h('strong', {}, item.subject) : null,
    item.body ? h('p', { class: 'text', dir: 'auto' }, item.body) : null,
    item.data ? h('pre', {}, JSON.stringify(item.data, null, 2)) : null,
    item.code ? codeButton(item.code) : null,
  );
}

function codeButton(code) {
  const copy = button(code, { kind: 'soft small code', title: 'Copy the code', on: () => copyCode(code) });
  copy.setAttribute('aria-label', `Copy the code ${code}`);
  return copy;
}

async function copyCode(code) {
  try {
    await navigator.clipboard.writeText(code);
    notice('Copied');
  } catch {
    notice('This browser does not let pages copy.', 'bad');
  }
}

function again() {
  run += 1;
  clearTimeout(timer);
  after = 0;
  list.replaceChildren();
  poll();
}

for (const chip of chips) {
  chip.addEventListener('click', () => {
    channel = chip.dataset.channel;
    for (const other of chips) other.setAttribute('aria-pressed', String(other === chip));
    again();
  });
}
document.querySelector('#filters').addEventListener('submit', (event) => event.preventDefault());
to.addEventListener('input', again);
poll();
