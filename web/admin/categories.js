// Health categories: what patients choose from (connect-v2 128 to 131).

import { h, button, busy, field, ask, notice } from '../shared/ui.js';
import { pagedList, sending, textOf, toggle } from './list.js';

const PAGE = 50;

export function categoriesView({ api }) {
  const name = h('input', { name: 'name', maxlength: 100, required: true, autocomplete: 'off', test: 'category-name' });
  const description = h('input', { name: 'description', maxlength: 500, autocomplete: 'off', test: 'category-description' });
  const add = button('Add', { kind: 'primary', type: 'submit', test: 'category-add' });
  const form = sending(
    h(
      'form',
      { class: 'card stack' },
      h('h2', {}, 'New category'),
      h('div', { class: 'pair' }, field('Name', name), field('In a sentence', description)),
      h('div', { class: 'row end' }, add),
    ),
    add,
    async () => {
      const made = await api.post('/admin/categories', { name: name.value, description: textOf(description) });
      form.reset();
      notice(`${made.name} is there for patients.`);
      await list.load();
      name.focus();
    },
  );
  const list = pagedList({
    read: (offset) => api.get('/admin/categories', { limit: PAGE, offset }),
    row,
    empty: 'There is no category yet.',
    test: 'categories',
  });

  function row(item) {
    const path = `/admin/categories/${item.id}`;
    const change = async (body) => {
      await api.patch(path, body);
      await list.load();
    };
    const edit = button('Edit', { kind: 'soft small', test: 'category-edit', on: () => busy(edit, () => editing(item, change)) });
    const remove = button('Delete', { kind: 'danger-soft small', test: 'category-delete', on: () => busy(remove, () => removing(item, path)) });
    return h(
      'li',
      { class: item.is_active ? '' : 'off', test: 'category', 'data-name': item.name, 'data-active': String(item.is_active) },
      h('div', { class: 'grow' }, h('strong', {}, item.name), h('p', { class: 'muted' }, item.description ?? '')),
      toggle('Shown to patients', item.is_active, 'category-active', (on) => change({ is_active: on })),
      h('div', { class: 'row' }, edit, remove),
    );
  }

  async function editing(item, change) {
    const answer = await ask({
      title: 'Edit the category',
      fields: [
        field('Name', h('input', { name: 'name', maxlength: 100, required: true, value: item.name, test: 'edit-name' })),
        field('In a sentence', h('input', { name: 'description', maxlength: 500, value: item.description ?? '', test: 'edit-description' })),
      ],
      confirm: 'Save',
      test: 'edit',
    });
    if (answer) await change({ name: answer.name, description: answer.description.trim() || null });
  }

  async function removing(item, path) {
    const answer = await ask({
      title: `Delete ${item.name}?`,
      lead: 'Patients cannot choose it any more. Consultations keep its name.',
      confirm: 'Delete',
      kind: 'danger',
      test: 'delete',
    });
    if (!answer) return;
    await api.delete(path);
    await list.load();
  }

  list.load();
  return { root: h('div', { class: 'page stack' }, h('h1', {}, 'Health categories'), form, list.root) };
}
