// Stars: shown for a rating, and chosen in halves from 1 to 5 (connect-v2 85).

import { h, icon } from './ui.js';

const MOST = 5;
const CHOICES = Array.from({ length: 2 * MOST - 1 }, (_, at) => 1 + at / 2);

function fillOf(rating, star) {
  // Other apps may rate finer than a star shows.
  const half = Math.round(rating * 2) / 2;
  if (half >= star) return 'full';
  return half >= star - 0.5 ? 'half' : 'none';
}

function fiveStars(rating) {
  return Array.from({ length: MOST }, (_, at) => h('span', { class: 'star', 'data-fill': fillOf(rating, at + 1) }, icon('star'), icon('star')));
}

/** `4.5`, and `4` for 4.0. */
const figure = (rating) => String(Math.round(rating * 10) / 10);

export function starsView(rating) {
  return h('span', { class: 'stars', role: 'img', 'aria-label': `${figure(rating)} of ${MOST} stars`, test: 'stars', 'data-rating': figure(rating) }, fiveStars(rating));
}

/** Radio buttons that lie on the stars: the left half of a star is the half. `value` is null until one is chosen. */
export function starsInput(label) {
  const drawn = fiveStars(0);
  const said = h('p', { class: 'muted', 'aria-hidden': 'true' }, 'Choose one to five stars.');
  let value = null;
  const choose = (rating) => {
    value = rating;
    drawn.forEach((star, at) => (star.dataset.fill = fillOf(rating, at + 1)));
    said.textContent = `${figure(rating)} of ${MOST}`;
  };
  const choice = (rating) =>
    h(
      'label',
      { class: 'star-choice', test: `rate-${figure(rating)}` },
      h('input', { type: 'radio', name: 'rating', value: figure(rating), required: true, on: { change: () => choose(rating) } }),
      h('span', { class: 'sr' }, rating === 1 ? '1 star' : `${figure(rating)} stars`),
    );
  const root = h(
    'fieldset',
    { class: 'stars-field' },
    h('legend', { class: 'label' }, label),
    h('div', { class: 'stars-input' }, h('span', { class: 'stars-drawn', 'aria-hidden': 'true' }, drawn), h('div', { class: 'star-choices' }, CHOICES.map(choice))),
    said,
  );
  return {
    root,
    get value() {
      return value;
    },
  };
}
