// One line under the bar while the live connection is not there.

import { button } from './ui.js';

const GRACE_MS = 1_500;

export function showLinkState(inbox, element) {
  let timer = null;
  inbox.addEventListener('state', ({ detail: state }) => {
    clearTimeout(timer);
    if (state === 'online' || state === 'stopped') element.hidden = true;
    else if (state === 'displaced') {
      const here = button('Use here', { kind: 'soft small', on: () => inbox.start() });
      element.replaceChildren('This account is open in too many places.', here);
      element.hidden = false;
    } else {
      // A quick reconnect is nobody's business.
      timer = setTimeout(() => {
        element.replaceChildren(state === 'refused' ? 'The server refuses live updates.' : 'Reconnecting… Messages you write are kept and sent.');
        element.hidden = false;
      }, GRACE_MS);
    }
  });
}
