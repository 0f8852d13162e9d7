// What an event says to the patient in one sentence, wherever the app stands.

import { followupTidings } from '../shared/followups.js';

const WORDS = {
  'prescription.ready': 'Your prescription: ready.',
  'prescription.updated': 'Your prescription: changed.',
  'labtests.recommended': 'Your lab tests: ready.',
  'labtests.updated': 'Your lab tests: changed.',
  'review.reply': 'The doctor has replied to your review.',
  'review.reminder': 'How was your consultation? A review helps others.',
};

/** Null where there is nothing to say. `looking`: the consultation is open, so what it shows need not be told. */
export function tidings(event, looking) {
  return followupTidings(event, 'client') ?? (looking ? null : (WORDS[event.type] ?? null));
}
