// How values are shown. Money comes in paise, times in UTC (connect-v2 §1).

const rupees = new Intl.NumberFormat('en-IN', { style: 'currency', currency: 'INR' });
const wholeRupees = new Intl.NumberFormat('en-IN', {
  style: 'currency',
  currency: 'INR',
  maximumFractionDigits: 0,
});
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

export function money(paise) {
  if (paise === null || paise === undefined) return '–';
  return (paise % 100 === 0 ? wholeRupees : rupees).format(paise / 100);
}

export function rate(paisePerMinute) {
  return paisePerMinute ? `${money(paisePerMinute)}/min` : 'Free of charge';
}

export function timeOfDay(iso) {
  return clock.format(new Date(iso));
}

export function dayOf(iso) {
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString() ? 'Today' : day.format(date);
}

/** `4:05` or `1:02:09`. */
export function stopwatch(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}:${two(s % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

export function initials(name) {
  const words = (name ?? '').replace(/^Dr\.?\s+/i, '').trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return '?';
  if (words.length === 1) return words[0].slice(0, 2).toUpperCase();
  return (words[0][0] + words[words.length - 1][0]).toUpperCase();
}

/** "28, male" from what is known. */
export function ageAndSex(patient) {
  const sex = { prefer_not_to_say: null }[patient?.sex] === null ? null : patient?.sex;
  return [patient?.age ? `${patient.age} years` : null, sex].filter(Boolean).join(', ');
}
