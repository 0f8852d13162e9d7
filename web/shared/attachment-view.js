// Shows the attachment that a message carries: a picture as a picture, a sound with its controls, the rest by its name.

import { h, icon, notice } from './ui.js';

/** `524 KB`. */
function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** What browsers show; a HEIC picture is offered like any other file. */
const SHOWN = ['image/jpeg', 'image/png', 'image/webp'];

/** A node that fills itself as soon as something is known of the file. */
export function attachmentView(files, id) {
  const root = h('span', { class: 'attachment', test: 'attachment' });
  let shown;

  function render() {
    const item = files.find(id);
    if (!item || (shown !== undefined && shown === (item.download_url ?? null))) return;
    shown = item.download_url ?? null;
    root.dataset.ready = String(Boolean(shown));
    root.replaceChildren(...[preview(item), label(item)].filter(Boolean));
  }

  function preview(item) {
    if (!item.download_url) return null;
    if (SHOWN.includes(item.content_type)) {
      return h('img', { src: item.download_url, alt: '', loading: 'lazy', test: 'attachment-picture' });
    }
    return item.content_type.startsWith('audio/') ? h('audio', { src: item.download_url, controls: true, preload: 'none' }) : null;
  }

  function label(item) {
    return h(
      'button',
      { type: 'button', class: 'button link', on: { click: open } },
      icon('clip'),
      h('span', { dir: 'auto' }, item.filename),
      h('small', {}, size(item.size_bytes)),
    );
  }

  /** The address may have ended while the page stood open. */
  async function open() {
    const link = await files.link(id);
    if (link) window.open(link, '_blank', 'noopener');
    else notice('The file cannot be opened', 'bad');
  }

  // The node lives as long as its conversation, and so does what it listens to.
  files.addEventListener('change', render);
  root.append('…');
  render();
  return root;
}
