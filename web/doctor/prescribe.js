// The doctor's side of the plan: forms for the prescription and the lab tests, with suggestions from the catalogues.

import { h, button, busy, field, notice } from '../shared/ui.js';
import { planView } from '../shared/plan.js';
import { typeahead } from '../shared/typeahead.js';

const MOST = 50;

/** The plan of a session with the buttons that change it. */
export function prescribeView({ api, sessionId }) {
  const path = `/connect/sessions/${sessionId}`;
  const view = planView({ api, sessionId, tools });
  view.root.hidden = false;

  function tools(kind, written) {
    const label = { prescription: ['Write prescription', 'Change'], tests: ['Recommend lab tests', 'Change'] }[kind];
    const test = { prescription: 'write-prescription', tests: 'recommend-tests' }[kind];
    const edit = kind === 'prescription' ? editPrescription : editTests;
    return button(label[written ? 1 : 0], { kind: written ? 'quiet small' : 'soft small', test, on: () => edit(written) });
  }

  async function save(what, written, body) {
    await api.request(written ? 'PUT' : 'POST', `${path}/${what}`, { body });
    await view.load();
  }

  function editPrescription(written) {
    const suggest = (q) =>
      api.get('/medicines/search', { q, limit: 8 }).then((all) => all.map((one) => ({ label: one.name, hint: one.form })));
    editor({
      title: written ? 'Change the prescription' : 'Prescription',
      test: 'prescription-form',
      rows: written?.medications ?? [{}],
      add: 'Add a medicine',
      row: (value) => [
        line('Medicine', 'name', value.name, { required: true, maxlength: 200 }, suggest),
        line('Dosage', 'dosage', value.dosage, { required: true, maxlength: 200, placeholder: '1-0-1' }),
        line('Duration', 'duration', value.duration, { maxlength: 1000, placeholder: '5 days' }),
        line('Instructions', 'instructions', value.instructions, { maxlength: 1000, placeholder: 'After meals' }),
      ],
      notes: written?.notes,
      save: (medications, notes) => save('prescription', written, { medications, notes }),
    });
  }

  function editTests(written) {
    const suggest = (q) =>
      api.get('/lab-tests/catalog/search', { q, limit: 8 }).then((all) => all.map((one) => ({ label: one.name, hint: one.code })));
    editor({
      title: written ? 'Change the lab tests' : 'Lab tests',
      test: 'tests-form',
      rows: written?.recommendations ?? [{}],
      add: 'Add a test',
      row: (value) => [
        line('Test', 'test_name', value.test_name, { required: true, maxlength: 200 }, suggest),
        urgency(value.priority),
        line('Instructions', 'instructions', value.instructions, { maxlength: 1000, placeholder: 'Fasting 8 hours' }),
      ],
      notes: written?.notes,
      save: (recommendations, notes) => save('lab-tests', written, { recommendations, notes }),
    });
  }

  return view;
}

function line(label, name, value, attributes, suggest = null) {
  const input = h('input', { name, value: value ?? null, test: `row-${name}`, ...attributes });
  const shown = field(label, input);
  if (suggest) {
    const marker = document.createComment('');
    input.replaceWith(marker);
    marker.replaceWith(typeahead(input, { search: suggest, test: 'suggestions' }));
  }
  return shown;
}

function urgency(value = 'routine') {
  const options = [['routine', 'Routine'], ['urgent', 'Urgent'], ['stat', 'At once']];
  const option = ([word, label]) => h('option', { value: word, selected: word === value }, label);
  return field('How soon', h('select', { name: 'priority', test: 'row-priority' }, options.map(option)));
}

/** A dialog with a list of rows and notes; it stays open until saving has succeeded. */
function editor({ title, test, rows, add, row, notes, save }) {
  const list = h('ol', { class: 'editor-rows' });
  const words = h('textarea', { name: 'notes', rows: 3, maxlength: 4000, test: 'plan-notes' }, notes ?? '');
  const more = button(add, { kind: 'quiet small', test: 'add-row', on: () => append({}).querySelector('input').focus() });
  const submit = button('Save', { kind: 'primary', type: 'submit', test: `${test}-save` });
  const form = h(
    'form',
    { class: 'stack', on: { submit: onSubmit } },
    h('h2', { id: 'editor-title' }, title),
    list,
    more,
    field('Notes (optional)', words),
    h('div', { class: 'row end' }, button('Back', { kind: 'quiet', on: () => dialog.close() }), submit),
  );
  const dialog = h(
    'dialog',
    { class: 'wide', test, 'aria-labelledby': 'editor-title', on: { close: () => dialog.remove() } },
    form,
  );

  function append(value) {
    const item = h('li', {}, row(value), remove());
    list.append(item);
    more.disabled = list.children.length >= MOST;
    return item;
  }

  function remove() {
    const element = button('Remove', {
      kind: 'quiet small',
      test: 'remove-row',
      on: () => {
        if (list.children.length === 1) return notice('One line has to stay.');
        element.closest('li').remove();
        more.disabled = false;
        return undefined;
      },
    });
    return element;
  }

  function onSubmit(event) {
    event.preventDefault();
    const text = (element) => element.value.trim() || null;
    const entries = (item) => [...item.querySelectorAll('[name]')].map((input) => [input.name, text(input)]);
    const values = [...list.children].map((item) => Object.fromEntries(entries(item)));
    busy(submit, async () => {
      await save(values, text(words));
      dialog.close();
    });
  }

  rows.forEach(append);
  document.body.append(dialog);
  dialog.showModal();
  list.querySelector('input').focus();
}
