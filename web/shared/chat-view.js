// Shows one Chat: the conversation, ticks, typing, the composer.

import { h, icon, button, busy, notice } from './ui.js';
import { ACCEPT, MOST_BYTES as LARGEST_FILE } from './files.js';
import { attachmentView } from './attachment-view.js';
import { timeOfDay, dayOf } from './format.js';

const MOST_CHARACTERS = 16_000;
const MOST_BYTES = 48 * 1024;

const TICKS = {
  pending: ['clock', 'Waiting to be sent'],
  failed: ['alert', 'Not sent'],
  sent: ['tick', 'Sent'],
  delivered: ['ticks', 'Delivered'],
  read: ['ticks', 'Read'],
};

/** Returns `{root, composer, focus, dispose}`; `peer` is the name shown while the other side types. */
export function chatView(chat, { peer }) {
  const nodes = new Map();
  const list = h('ol', { class: 'messages', test: 'messages' });
  const earlier = button('Earlier messages', {
    kind: 'quiet small',
    test: 'load-earlier',
    on: () => loadEarlier(),
  });
  const typing = h(
    'p',
    { class: 'typing', test: 'typing', hidden: true },
    h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
    `${peer} is typing`,
  );
  const jump = button('New messages', { kind: 'jump small', icon: 'down', on: () => toEnd() });
  jump.hidden = true;
  const scroller = h('div', { class: 'scroller', role: 'log', 'aria-label': 'Conversation', tabindex: '0' }, earlier, list, typing);
  const { composer, input } = makeComposer(chat);
  const root = h('section', { class: 'chat', 'aria-label': `Chat with ${peer}` }, scroller, jump, composer);

  const nearEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
  // Whoever reads the end stays there, also when a keyboard or a picture takes room from below or above.
  let atEnd = true;
  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
    atEnd = true;
    jump.hidden = true;
  };
  scroller.addEventListener('scroll', () => {
    atEnd = nearEnd();
    if (atEnd) jump.hidden = true;
  });

  async function loadEarlier() {
    const before = scroller.scrollHeight - scroller.scrollTop;
    try {
      await chat.loadEarlier();
    } catch (error) {
      notice(error.message, 'bad');
    }
    scroller.scrollTop = scroller.scrollHeight - before;
  }

  function render() {
    const stick = atEnd;
    const lastBefore = list.lastElementChild;
    earlier.hidden = !chat.hasEarlier;
    typing.hidden = !chat.peerIsTyping;
    reconcile(list, nodes, chat);
    if (stick) toEnd();
    else if (list.lastElementChild !== lastBefore && !chat.isMine(chat.last)) jump.hidden = false;
    else if (list.lastElementChild !== lastBefore) toEnd();
  }

  const look = () => chat.setVisible(root.isConnected && document.visibilityState === 'visible');
  chat.addEventListener('change', render);
  document.addEventListener('visibilitychange', look);
  const resized = new ResizeObserver(() => atEnd && toEnd());
  resized.observe(scroller);
  render();
  requestAnimationFrame(() => {
    toEnd();
    look();
  });

  return {
    root,
    composer,
    /** Not on touch screens, where the keyboard would cover half the conversation. */
    focus: () => matchMedia('(hover: hover)').matches && input.focus(),
    dispose() {
      chat.setVisible(false);
      chat.removeEventListener('change', render);
      document.removeEventListener('visibilitychange', look);
      resized.disconnect();
    },
  };
}

/** Keeps a node per message, so that screen readers hear only what is new. */
function reconcile(list, nodes, chat) {
  const wanted = [];
  let day = null;
  let previous = null;
  for (const message of chat.items) {
    const date = dayOf(message.created_at);
    if (date !== day) {
      wanted.push(keep(nodes, `day ${date}`, () => h('li', { class: 'day' }, h('span', {}, date))));
      day = date;
      previous = null;
    }
    const node = keep(nodes, message.client_message_id ?? message.id, () => bubble(message, chat));
    node.classList.toggle('follows', previous !== null && chat.isMine(previous) === chat.isMine(message));
    if (chat.isMine(message)) showTick(node, message, chat);
    wanted.push(node);
    previous = message;
  }
  wanted.forEach((node, at) => {
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
}

function keep(nodes, key, make) {
  if (!nodes.has(key)) nodes.set(key, make());
  return nodes.get(key);
}

function bubble(message, chat) {
  const mine = chat.isMine(message);
  const text = h('p', { class: 'text', dir: 'auto' });
  text.append(contentOf(message, chat));
  return h(
    'li',
    { class: `message ${mine ? 'mine' : 'theirs'}`, test: mine ? 'message-mine' : 'message-theirs' },
    h(
      'div',
      { class: 'bubble' },
      h('span', { class: 'sr' }, mine ? 'You: ' : 'They: '),
      text,
      h('span', { class: 'meta' }, h('time', { datetime: message.created_at }, timeOfDay(message.created_at))),
    ),
  );
}

/** Text stays text; the id of an attachment becomes the attachment, an address from elsewhere is only named. */
function contentOf(message, chat) {
  if (!message.content_type || message.content_type === 'text') return message.content;
  if (/^[0-9a-f-]{36}$/i.test(message.content)) return attachmentView(chat.files, message.content.toLowerCase());
  return `[${message.content_type}] ${message.content}`;
}

/** The button that attaches a file, with the input behind it. */
function makeAttach(chat) {
  const input = h('input', { type: 'file', class: 'sr', accept: ACCEPT, tabindex: '-1', 'aria-hidden': 'true', test: 'attach-file' });
  const attach = h(
    'button',
    { type: 'button', class: 'button quiet round', 'aria-label': 'Attach a file', test: 'attach', on: { click: () => input.click() } },
    icon('clip'),
  );
  input.addEventListener('change', () => {
    const [file] = input.files;
    if (!file) return;
    if (file.size > LARGEST_FILE) notice('A file may have 25 MB', 'bad');
    else if (file.size === 0) notice('The file is empty', 'bad');
    else busy(attach, () => chat.attach(file));
    input.value = '';
  });
  return [attach, input];
}

function showTick(node, message, chat) {
  const state = chat.stateOf(message);
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  const meta = node.querySelector('.meta');
  meta.querySelector('.icon')?.remove();
  meta.append(icon(...TICKS[state]));
  node.querySelector('.failed')?.remove();
  if (state === 'failed') node.append(failedRow(message, chat));
}

function failedRow(message, chat) {
  return h(
    'div',
    { class: 'failed' },
    h('span', {}, message.reason ?? 'Not sent'),
    chat.open ? button('Try again', { kind: 'link', on: () => chat.retry(message) }) : null,
    button('Discard', { kind: 'link', on: () => chat.discard(message) }),
  );
}

function makeComposer(chat) {
  const input = h('textarea', {
    rows: 1,
    placeholder: 'Write a message',
    'aria-label': 'Message',
    autocomplete: 'off',
    enterkeyhint: 'send',
    test: 'composer',
  });
  const tooLong = h('small', { class: 'bad', role: 'alert', hidden: true }, 'This message is too long to send');
  const fits = () =>
    [...input.value].length <= MOST_CHARACTERS && new Blob([input.value]).size <= MOST_BYTES;
  const grow = () => {
    input.style.height = 'auto';
    const border = input.offsetHeight - input.clientHeight;
    input.style.height = `${input.scrollHeight + border}px`;
    tooLong.hidden = fits();
  };
  const submit = (event) => {
    event?.preventDefault();
    const text = input.value.trim();
    if (text === '' || !fits() || !chat.open) return;
    input.value = '';
    grow();
    chat.send(text);
    input.focus();
  };
  input.addEventListener('input', () => {
    grow();
    chat.typed(input.value);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event);
  });
  const composer = h(
    'form',
    { class: 'composer', on: { submit } },
    ...makeAttach(chat),
    input,
    h('button', { type: 'submit', class: 'button primary round', 'aria-label': 'Send', test: 'send' }, icon('send')),
    tooLong,
  );
  return { composer, input };
}
