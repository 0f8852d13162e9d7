// The doctor's figures (connect-v2 96 and 99), by the clock of this machine.

import { h, notice } from '../shared/ui.js';
import { money } from '../shared/format.js';

const RANGES = [
  ['today', 'Today'],
  ['week', 'This week'],
  ['month', 'This month'],
  ['year', 'This year'],
  ['all_time', 'All time'],
];

export function figuresView(api) {
  const range = h('select', { name: 'date_range', 'aria-label': 'Period', test: 'figures-range', on: { change: load } }, RANGES.map(([value, label]) => h('option', { value }, label)));
  range.value = 'month';
  const numbers = h('dl', { class: 'figures-numbers', test: 'figures' });
  const stars = h('ul', { class: 'figures-stars', 'aria-label': 'Reviews by stars' });
  const root = h('section', { class: 'card figures', 'aria-label': 'Your figures' }, h('div', { class: 'row between' }, h('h2', {}, 'Your figures'), range), numbers, stars);

  async function load() {
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
    try {
      const [done, rated] = await Promise.all([
        api.get('/analytics/doctor/performance', { timezone, date_range: range.value }),
        api.get('/analytics/doctor/reviews/rating-distribution'),
      ]);
      const row = (term, value) => h('div', {}, h('dt', {}, term), h('dd', {}, value));
      numbers.replaceChildren(
        row('Consultations', String(done.completed_sessions)),
        row('Patients', String(done.unique_patients)),
        row('Accepted', done.acceptance_rate === null ? '–' : `${Math.round(done.acceptance_rate * 100)} %`),
        row('Average', done.average_duration_seconds === null ? '–' : `${Math.round(done.average_duration_seconds / 60)} min`),
        row('Earnings', money(done.earnings)),
        row('Rating', done.average_rating === null ? '–' : String(done.average_rating)),
      );
      stars.replaceChildren(
        ...rated.distribution.map(({ rating, count, percentage }) =>
          h('li', {}, h('span', {}, `${rating} ★`), h('meter', { min: 0, max: 100, value: percentage, 'aria-label': `${rating} stars` }), h('span', { class: 'muted' }, String(count))),
        ),
      );
    } catch (error) {
      if (api.signedIn) notice(error.message, 'bad');
    }
  }

  load();
  return root;
}
