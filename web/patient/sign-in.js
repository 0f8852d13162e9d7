// Phone and one-time code (connect-v2 §3.1). In development the code can be fetched from the inbox page.

import { h, button, busy, field, notice } from '../shared/ui.js';

const DEMO_PHONES = [1, 2, 3, 4, 5].map((n) => `+91990000000${n}`);

export function signInView(app) {
  let newestSeen = 0;
  const phone = h('input', {
    type: 'tel',
    name: 'phone',
    autocomplete: 'tel',
    placeholder: '+91 99000 00001',
    required: true,
    test: 'phone',
  });
  const code = h('input', {
    class: 'code-input',
    name: 'code',
    inputmode: 'numeric',
    autocomplete: 'one-time-code',
    maxlength: 6,
    pattern: '[0-9]{6}',
    required: true,
    test: 'code',
  });
  const send = button('Send code', { kind: 'primary wide', type: 'submit', test: 'request-code' });
  const enter = button('Sign in', { kind: 'primary wide', type: 'submit', test: 'verify-code' });
  const fetchCode = button('Fetch the demo code', {
    kind: 'soft wide',
    icon: 'mail',
    test: 'fetch-code',
    on: () => busy(fetchCode, takeCode),
  });

  const number = () => phone.value.replace(/[\s()-]/g, '');

  const phoneForm = h(
    'form',
    { class: 'stack', on: { submit: (event) => (event.preventDefault(), busy(send, requestCode)) } },
    field('Your phone number', phone, 'We send you a six-digit code by SMS.'),
    send,
    h(
      'div',
      { class: 'stack tight' },
      h('small', { class: 'muted' }, 'Demo patients'),
      h('div', { class: 'row' }, DEMO_PHONES.map(phoneChip)),
    ),
  );
  const codeForm = h(
    'form',
    { class: 'stack', hidden: true, on: { submit: (event) => (event.preventDefault(), busy(enter, verify)) } },
    field('Code from the SMS', code),
    enter,
    fetchCode,
    button('Use another number', { kind: 'quiet wide', on: () => step(false) }),
  );

  function phoneChip(demo) {
    const fill = () => {
      phone.value = demo;
      send.focus();
    };
    return h('button', { type: 'button', class: 'chip', on: { click: fill } }, `…${demo.slice(-5)}`);
  }

  function step(codeWanted) {
    phoneForm.hidden = codeWanted;
    codeForm.hidden = !codeWanted;
    (codeWanted ? code : phone).focus();
  }

  async function requestCode() {
    newestSeen = (await smsTo(number()).catch(() => [])).at(-1)?.id ?? 0;
    try {
      await app.api.post('/auth/request-otp', { phone: number() }, { anonymous: true });
    } catch (error) {
      if (error.status !== 429) throw error;
      // The code of a moment ago is still good: let it be typed.
      newestSeen = 0;
      notice(error.retryAfter ? `A new code can be sent in ${error.retryAfter} s.` : error.message);
    }
    code.value = '';
    step(true);
  }

  /** The code arrives through a queue: look a few times. */
  async function takeCode() {
    for (let tries = 0; tries < 12; tries += 1) {
      const found = (await smsTo(number())).findLast((item) => item.code && item.id > newestSeen);
      if (found) {
        code.value = found.code;
        enter.focus();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    notice('No code has arrived yet.');
  }

  async function verify() {
    const body = { phone: number(), code: code.value.trim() };
    try {
      app.api.signIn(await app.api.post('/auth/verify-otp', body, { anonymous: true }));
    } catch (error) {
      code.select();
      throw error;
    }
    app.signedIn();
  }

  const root = h(
    'div',
    { class: 'page narrow stack' },
    h('h1', {}, 'Talk to a doctor now'),
    h('p', { class: 'muted' }, 'Sign in, choose a doctor who is online, and start writing within a minute.'),
    h('div', { class: 'card' }, phoneForm, codeForm),
  );
  return { root, shown: () => phone.focus() };
}

/** What the development inbox holds for a number; in production there is no such page. */
async function smsTo(number) {
  const query = new URLSearchParams({ channel: 'sms', to: number, limit: '1000' });
  const response = await fetch(`/dev/inbox.json?${query}`, { cache: 'no-store' });
  if (!response.ok) throw new Error('The development inbox is not available here.');
  return (await response.json()).items;
}
