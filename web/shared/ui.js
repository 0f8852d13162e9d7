// Small DOM helpers: elements, icons, notices, dialogs, theme. Text is always set as text, never as markup.

const SPRITE = '/demo/assets/shared/icons.svg';
const SVG = 'http://www.w3.org/2000/svg';

/**
 * Makes an element. `attrs`: `class`, `on` (event listeners), `test` (data-test), properties that
 * are boolean, and plain attributes. Children: nodes, strings, or null.
 */
export function h(tag, attrs = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'test') element.dataset.test = value;
    else if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The symbols are read once into the page, so that showing an icon never asks the server. */
async function loadIcons() {
  const text = await (await fetch(SPRITE)).text();
  const sprite = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  sprite.setAttribute('hidden', '');
  sprite.setAttribute('aria-hidden', 'true');
  document.body.append(document.adoptNode(sprite));
}

loadIcons().catch(() => {});

export function icon(name, label = null) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 24 24');
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else {
    svg.setAttribute('aria-hidden', 'true');
  }
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#${name}`);
  svg.append(use);
  return svg;
}

export function button(label, { kind = '', icon: glyph, test, on, type = 'button', title, disabled } = {}) {
  return h(
    'button',
    { type, class: `button ${kind}`, test, title, disabled, on: on ? { click: on } : undefined },
    glyph ? icon(glyph) : null,
    label ? h('span', {}, label) : null,
  );
}

export function avatar(text, tone = '') {
  return h('span', { class: `avatar ${tone}`, 'aria-hidden': 'true' }, text);
}

/** Shows that a button's work is under way, keeps a second click out, and reports a failure. */
export async function busy(element, work) {
  if (element.getAttribute('aria-busy') === 'true') return undefined;
  element.setAttribute('aria-busy', 'true');
  element.disabled = true;
  try {
    return await work();
  } catch (error) {
    notice(error.message, 'bad');
    return undefined;
  } finally {
    element.removeAttribute('aria-busy');
    element.disabled = false;
  }
}

/** A short message at the foot of the page, read out by screen readers; `action` is a button in it, and time to reach it. */
export function notice(text, kind = 'plain', action = null) {
  let tray = document.querySelector('.notices');
  if (!tray) {
    tray = h('div', { class: 'notices', role: 'status', 'aria-live': 'polite' });
    document.body.append(tray);
  }
  const act = () => {
    item.remove();
    action.on();
  };
  const item = h('div', { class: `notice ${kind}`, test: 'notice' }, text, action ? button(action.label, { kind: 'link', test: action.test, on: act }) : null);
  const life = action ? 20_000 : 5_000;
  tray.append(item);
  while (tray.children.length > 3) tray.firstElementChild.remove();
  setTimeout(() => item.classList.add('leaving'), life);
  setTimeout(() => item.remove(), life + 400);
}

/** A modal form. Resolves with its FormData entries, or null when it was dismissed. */
export function ask({ title, lead, fields = [], confirm, kind = 'primary', dismiss = 'Back', test }) {
  return new Promise((resolve) => {
    let answer = null;
    const form = h(
      'form',
      {
        method: 'dialog',
        class: 'stack',
        on: {
          submit: () => {
            answer = Object.fromEntries(new FormData(form));
          },
        },
      },
      h('h2', { id: 'dialog-title' }, title),
      lead ? h('p', { class: 'muted' }, lead) : null,
      fields,
      h(
        'div',
        { class: 'row end' },
        button(dismiss, { kind: 'quiet', test: `${test}-dismiss`, on: () => dialog.close() }),
        button(confirm, { kind, type: 'submit', test: `${test}-confirm` }),
      ),
    );
    const dialog = h(
      'dialog',
      {
        test,
        'aria-labelledby': 'dialog-title',
        on: {
          close: () => {
            dialog.remove();
            resolve(answer);
          },
          click: (event) => {
            if (event.target === dialog) dialog.close();
          },
        },
      },
      form,
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function field(label, input, hint = null) {
  const id = input.id || `f-${Math.random().toString(36).slice(2, 8)}`;
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    input,
    hint ? h('small', { id: `${id}-hint`, class: 'muted' }, hint) : null,
  );
}

/** Replaces what the page shows and moves the focus there, as a page load would. */
export function show(container, ...content) {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  container.replaceChildren(...content);
  const heading = container.querySelector('h1, h2');
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
  scrollTo(0, 0);
}
