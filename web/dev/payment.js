// Plays the payment provider for one order of the sandbox (`/dev/payments/{order_id}`).

import { notice } from '../shared/ui.js';
import { money } from '../shared/format.js';

const WORDS = { success: 'Paid.', failed: 'The payment failed. You may try again.', dropped: 'Left without paying. You may come back.' };

const here = location.pathname.replace(/\/$/, '');
const buttons = [...document.querySelectorAll('[data-outcome]')];
const state = document.querySelector('#state');
const back = document.querySelector('#back');

/** Only into this server's own demo. */
function wayBack() {
  const path = new URLSearchParams(location.search).get('return') ?? '';
  return path.startsWith('/demo/') ? path : null;
}

function show(outcome) {
  if (!outcome) return;
  state.textContent = WORDS[outcome] ?? outcome;
  // What was paid stays paid.
  if (outcome === 'success') for (const button of buttons) button.hidden = true;
}

async function load() {
  const response = await fetch(`${here}/state`, { cache: 'no-store' });
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  const order = await response.json();
  document.querySelector('#amount').textContent = money(order.amount);
  document.querySelector('#order').textContent = order.order_id;
  show(order.outcome);
}

async function decide(outcome) {
  for (const button of buttons) button.disabled = true;
  try {
    const response = await fetch(here, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ outcome }),
    });
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    const way = wayBack();
    if (way) {
      location.assign(way);
      return;
    }
    show(outcome);
  } catch (error) {
    notice(error.message, 'bad');
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

for (const button of buttons) button.addEventListener('click', () => decide(button.dataset.outcome));
const way = wayBack();
if (way) {
  back.href = way;
  back.hidden = false;
}
load().catch((error) => notice(error.message, 'bad'));
