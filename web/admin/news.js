// Articles and events, told to all patients when they are made (connect-v2 136 to 143).

import { h, button, busy, field, ask, notice } from '../shared/ui.js';
import { timeOfDay } from '../shared/format.js';
import { pagedList, sending, textOf } from './list.js';

const PAGE = 20;
const TYPES = [['online', 'Online'], ['in_person', 'In a place'], ['hybrid', 'Both']];
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const whenOf = (iso) => `${date.format(new Date(iso))}, ${timeOfDay(iso)}`;

export function newsView({ api }) {
  const articles = part(api, {
    path: '/admin/articles',
    test: 'article',
    empty: 'Nothing has been written yet.',
    facts: (item) => [item.category, item.author, whenOf(item.published_at)],
  });
  const events = part(api, {
    path: '/admin/events',
    test: 'event',
    empty: 'Nothing is planned.',
    facts: (item) => [whenOf(item.event_date), item.status === 'past' ? 'over' : null, item.category],
  });
  return {
    root: h(
      'div',
      { class: 'page stack' },
      h('h1', {}, 'News'),
      articleForm(api, articles.load),
      articles.root,
      h('h2', {}, 'Events'),
      eventForm(api, events.load),
      events.root,
    ),
  };
}

function part(api, { path, test, empty, facts }) {
  const list = pagedList({ read: (offset) => api.get(path, { limit: PAGE, offset }), row, empty, test: `${test}s` });

  function row(item) {
    const remove = button('Delete', { kind: 'danger-soft small', test: `${test}-delete`, on: () => busy(remove, () => removing(item)) });
    return h(
      'li',
      { test },
      h('div', { class: 'grow' }, h('strong', {}, item.title), h('p', { class: 'muted' }, facts(item).filter(Boolean).join(' · '))),
      remove,
    );
  }

  async function removing(item) {
    const lead = 'What was sent to phones stays there; what it leads to is gone.';
    if (!(await ask({ title: `Delete “${item.title}”?`, lead, confirm: 'Delete', kind: 'danger', test: 'delete' }))) return;
    await api.delete(`${path}/${item.id}`);
    await list.load();
  }

  list.load();
  return list;
}

function articleForm(api, done) {
  const title = h('input', { name: 'title', maxlength: 200, required: true, autocomplete: 'off', test: 'article-title' });
  const excerpt = h('textarea', { name: 'excerpt', maxlength: 500, rows: 2, required: true, test: 'article-excerpt' });
  const content = h('textarea', { name: 'content', maxlength: 100_000, rows: 6, required: true, test: 'article-content' });
  const category = h('input', { name: 'category', maxlength: 100, autocomplete: 'off' });
  const author = h('input', { name: 'author', maxlength: 100, autocomplete: 'off' });
  const publish = button('Publish and tell everybody', { kind: 'primary', type: 'submit', test: 'article-publish' });
  const form = h(
    'form',
    { class: 'card stack' },
    h('h2', {}, 'New article'),
    field('Title', title),
    field('In short', excerpt),
    field('Text', content),
    h('div', { class: 'pair' }, field('Category', category), field('Author', author)),
    h('div', { class: 'row end' }, publish),
  );
  return sending(form, publish, async () => {
    await api.post('/admin/articles', {
      title: title.value,
      excerpt: excerpt.value,
      content: content.value,
      category: textOf(category),
      author: textOf(author),
    });
    form.reset();
    notice('Published; every patient’s phone is told.');
    await done();
  });
}

function eventForm(api, done) {
  const title = h('input', { name: 'title', maxlength: 200, required: true, autocomplete: 'off', test: 'event-title' });
  const description = h('textarea', { name: 'description', maxlength: 10_000, rows: 3, required: true, test: 'event-description' });
  const when = h('input', { type: 'datetime-local', name: 'event_date', required: true, test: 'event-date' });
  const type = h('select', { name: 'event_type' }, TYPES.map(([value, label]) => h('option', { value }, label)));
  const category = h('input', { name: 'category', maxlength: 100, autocomplete: 'off' });
  const announce = button('Announce to everybody', { kind: 'primary', type: 'submit', test: 'event-announce' });
  const form = h(
    'form',
    { class: 'card stack' },
    field('Title', title),
    field('What it is about', description),
    h('div', { class: 'pair' }, field('When, by your clock', when), field('Where', type), field('Category', category)),
    h('div', { class: 'row end' }, announce),
  );
  return sending(form, announce, async () => {
    await api.post('/admin/events', {
      title: title.value,
      description: description.value,
      event_date: new Date(when.value).toISOString(),
      event_type: type.value,
      category: textOf(category),
    });
    form.reset();
    notice('Announced; every patient’s phone is told.');
    await done();
  });
}
