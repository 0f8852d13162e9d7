// A dialog with a form that stays open until the server has taken what it says.

import { h, button, busy } from './ui.js';

/**
 * `save()` sends the form; what it throws is said in the dialog, which stays open. Resolves with whether it was saved.
 */
export function formDialog({ title, lead = null, fields, confirm, dismiss = 'Back', test, save }) {
  return new Promise((resolve) => {
    let saved = false;
    // The line is there before it says anything: an error moves no button.
    const trouble = h('p', { class: 'trouble bad', role: 'alert', test: `${test}-trouble` });
    const submit = button(confirm, { kind: 'primary', type: 'submit', test: `${test}-save` });
    const form = h(
      'form',
      { class: 'stack', on: { submit: onSubmit } },
      h('h2', { id: `${test}-title` }, title),
      lead ? h('p', { class: 'muted' }, lead) : null,
      fields,
      trouble,
      h('div', { class: 'row end' }, button(dismiss, { kind: 'quiet', test: `${test}-dismiss`, on: () => dialog.close() }), submit),
    );
    const dialog = h('dialog', { test, 'aria-labelledby': `${test}-title`, on: { close: onClose } }, form);

    function onSubmit(event) {
      event.preventDefault();
      trouble.textContent = '';
      busy(submit, async () => {
        try {
          await save();
        } catch (error) {
          trouble.textContent = error.message;
          return;
        }
        saved = true;
        dialog.close();
      });
    }

    function onClose() {
      dialog.remove();
      resolve(saved);
    }

    document.body.append(dialog);
    dialog.showModal();
    form.querySelector('input, textarea, select').focus();
  });
}
