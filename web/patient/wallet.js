// The wallet: what is in it, the offers that run, topping up, and what moved it.

import { h, button, busy, field, notice } from '../shared/ui.js';
import { money, dayOf, timeOfDay } from '../shared/format.js';

const PAGE = 20;
const LEAST = 100;
const MOST = 10_000_000;
const WORDS = {
  RECHARGE: 'Top-up',
  BONUS: 'Bonus',
  SESSION_DEBIT: 'Consultation',
  REFUND: 'Refund',
  ADJUSTMENT: 'Correction',
};

/** `orderId`: the order that the payer comes back from. */
export function walletView(app, orderId = null) {
  const { api } = app;
  let shown = [];
  let offer = null;
  const balance = h('p', { class: 'balance', test: 'balance', 'aria-live': 'polite' }, '…');
  const rows = h('ul', { class: 'moves card', test: 'moves' });
  const more = button('Show more', { kind: 'quiet small', on: () => busy(more, () => load(shown.length)) });
  const offers = h('div', { class: 'row offers' });
  const amount = h('input', {
    name: 'amount',
    type: 'text',
    inputmode: 'decimal',
    autocomplete: 'off',
    placeholder: '500',
    test: 'top-up-amount',
    on: { input: () => choose(null) },
  });
  const pay = button('Top up', { kind: 'primary', type: 'submit', test: 'top-up' });
  const form = h(
    'form',
    { class: 'card stack', on: { submit } },
    h('h2', {}, 'Top up'),
    offers,
    field('Amount in rupees', amount),
    h('div', { class: 'row end' }, pay),
  );

  async function load(offset = 0) {
    const [wallet, page] = await Promise.all([
      api.get('/wallet/balance'),
      api.get('/wallet/transactions', { limit: PAGE, offset }),
    ]);
    balance.textContent = money(wallet.balance);
    // What moved while the page was read shifts the pages: the same row is never shown twice.
    const known = offset === 0 ? [] : shown;
    shown = [...known, ...page.items.filter((item) => !known.some((other) => other.id === item.id))];
    rows.replaceChildren(...shown.map(row));
    if (shown.length === 0) rows.append(h('li', { class: 'muted empty' }, 'Nothing has moved yet.'));
    more.hidden = !page.has_more;
  }

  async function loadOffers() {
    const running = await api.get('/wallet/offers');
    offers.replaceChildren(...running.map(offerChip));
    offers.hidden = running.length === 0;
  }

  function offerChip(found) {
    const bonus = found.bonus_amount ? ` + ${money(found.bonus_amount)}` : '';
    const chip = h(
      'button',
      { type: 'button', class: 'chip', 'aria-pressed': 'false', test: 'offer', 'data-offer': found.id },
      `${found.title}: ${money(found.amount)}${bonus}`,
    );
    chip.addEventListener('click', () => {
      choose(offer?.id === found.id ? null : found);
      if (offer) amount.value = inRupees(found.amount);
    });
    return chip;
  }

  function choose(chosen) {
    offer = chosen;
    for (const chip of offers.children) chip.setAttribute('aria-pressed', String(chip.dataset.offer === offer?.id));
  }

  function submit(event) {
    event.preventDefault();
    const paise = fromRupees(amount.value || amount.placeholder);
    if (paise === null || paise < LEAST || paise > MOST) {
      notice(`Please give an amount between ${money(LEAST)} and ${money(MOST)}.`, 'bad');
      return;
    }
    busy(pay, () => checkout(paise));
  }

  /** The sandbox's page plays the provider; it leads back here. */
  async function checkout(paise) {
    const order = await api.post('/payments/cashfree/orders', { amount: paise, offer_id: offer?.id ?? null });
    const page = `/dev/payments/${encodeURIComponent(order.order_id)}`;
    const known = await fetch(`${page}/state`, { cache: 'no-store' });
    if (!known.ok) {
      notice('This server takes payments at a provider whose checkout the demo does not have.', 'bad');
      return;
    }
    location.assign(`${page}?return=${encodeURIComponent(`/demo/patient#order=${order.order_id}`)}`);
  }

  /** Back from the checkout: the server asks the provider, whether or not its webhook has come. */
  async function verify() {
    const order = await api.get(`/payments/cashfree/orders/${encodeURIComponent(orderId)}/verify`);
    const words = {
      SUCCESS: [`${money(order.amount + order.bonus_amount)} added to your wallet.`, 'plain'],
      PENDING: ['The payment is not finished yet. It is added as soon as it is.', 'plain'],
      FAILED: ['The payment did not go through. Nothing was taken.', 'bad'],
      EXPIRED: ['The order has expired. Nothing was taken.', 'bad'],
    };
    notice(...(words[order.status] ?? [order.status, 'plain']));
  }

  async function start() {
    try {
      if (orderId) await verify();
      await Promise.all([load(), loadOffers()]);
    } catch (error) {
      notice(error.message, 'bad');
    }
  }

  const root = h(
    'div',
    { class: 'page narrow stack wallet', test: 'wallet' },
    h('div', { class: 'row between' }, h('h1', {}, 'Wallet'), button('Doctors', { kind: 'quiet small', icon: 'back', test: 'wallet-back', on: () => app.go('doctors') })),
    balance,
    form,
    h('h2', {}, 'What moved it'),
    rows,
    more,
  );
  more.hidden = true;
  start();
  return {
    root,
    reload: () => load().catch(() => {}),
    onEvent(event) {
      if (event.type === 'wallet.updated') load().catch(() => {});
    },
  };
}

function row(item) {
  const sign = item.direction === 'CREDIT' ? '+' : '−';
  return h(
    'li',
    { class: 'move', test: 'move', 'data-type': item.type },
    h(
      'div',
      { class: 'grow' },
      h('strong', {}, WORDS[item.type] ?? item.type),
      h('p', { class: 'muted' }, `${dayOf(item.created_at)}, ${timeOfDay(item.created_at)}`),
    ),
    h(
      'div',
      { class: 'sum' },
      h('strong', { 'data-direction': item.direction }, `${sign}${money(item.amount)}`),
      h('p', { class: 'muted' }, money(item.balance_after)),
    ),
  );
}

/** Digits alone, so that no float rounds an amount: `500`, `499.5`, `0.29`. */
function fromRupees(text) {
  const parts = /^\s*(\d{1,6})(?:\.(\d{1,2}))?\s*$/.exec(text);
  return parts ? Number(parts[1]) * 100 + Number((parts[2] ?? '').padEnd(2, '0')) : null;
}

function inRupees(paise) {
  const rest = String(paise % 100).padStart(2, '0');
  return rest === '00' ? String(paise / 100) : `${Math.floor(paise / 100)}.${rest}`;
}
