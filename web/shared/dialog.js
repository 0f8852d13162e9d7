// A dialog with a form that stays open until the server has taken what it says.

import { h, button, busy } from './ui.js';

/**
 * `save()` sends the form; what it throws is said in the dialog, which stays open. Resolves with whether it was saved:
 * of a dialog that was left meanwhile, once that is known.
 */
export function formDialog({ title, lead = null, fields, confirm, dismiss = 'Back', test, save }) {
  return new Promise((resolve) => {
    let saved = false;
    let saving = false;
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
    const dialog = h('dialog', { test, 'aria-labelledby': `${test}-title`, on: { cancel: onCancel, close: onClose } }, form);

    function onSubmit(event) {
      event.preventDefault();
      trouble.textContent = '';
      if (saving) return;
      saving = true;
      busy(submit, async () => {
        try {
          await save();
          saved = true;
          dialog.close();
        } catch (error) {
          // Nobody sees the dialog any more: a notice says it.
          if (!dialog.open) throw error;
          trouble.textContent = error.message;
        } finally {
          saving = false;
          if (!dialog.isConnected) resolve(saved);
        }
      });
    }

    /** Escape: not while it is open whether it was saved. On a stalled line the button leaves all the same. */
    function onCancel(event) {
      if (saving) event.preventDefault();
    }

    function onClose() {
      dialog.remove();
      if (!saving) resolve(saved);
    }

    document.body.append(dialog);
    dialog.showModal();
    form.querySelector('input, textarea, select').focus();
  });
}
