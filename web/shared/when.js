// A day and perhaps a time of day in somebody's zone, as follow-ups have them (connect-v2 §1, §3.12).

const HOME = 'Asia/Kolkata';

/** The zone of this machine; a browser may not know it. */
export function ownZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && zone !== 'Etc/Unknown' ? zone : HOME;
}

/** `Friday 27 February, 10:30`, by the calendar alone: nothing is converted. The year is named when it is another one. */
export function wallClock(date, time = null) {
  const at = new Date(`${date}T${time ?? '00:00:00'}Z`);
  return written(at, 'UTC', time !== null, at.getUTCFullYear());
}

/** The same for an instant, by the clock of this machine. */
export function clockHere(iso) {
  const at = new Date(iso);
  return written(at, undefined, true, at.getFullYear());
}

function written(at, timeZone, timed, year) {
  const parts = { timeZone, weekday: 'long', day: 'numeric', month: 'long', year: year === new Date().getFullYear() ? undefined : 'numeric' };
  const day = new Intl.DateTimeFormat(undefined, parts).format(at);
  if (!timed) return day;
  return `${day}, ${new Intl.DateTimeFormat(undefined, { timeZone, hour: '2-digit', minute: '2-digit' }).format(at)}`;
}

/** Whether a clock in `zone` shows at that instant what a clock here shows. */
export function sameClock(zone, iso) {
  const shown = (timeZone) => new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(new Date(iso));
  try {
    return shown(zone) === shown(undefined);
  } catch {
    // A zone that this browser does not know.
    return false;
  }
}

/** `2026-02-27`: the day that it is in `zone`, or `days` later. */
export function dayIn(zone, days = 0) {
  const now = nowIn(zone, { year: 'numeric', month: '2-digit', day: '2-digit' });
  const day = new Date(Date.UTC(Number(now.year), Number(now.month) - 1, Number(now.day) + days));
  return day.toISOString().slice(0, 10);
}

/** Whether the clock in `zone` has come to it; where only a day is said, whether the day is over. */
export function hasPassed(date, time, zone) {
  const today = dayIn(zone);
  if (date !== today || !time) return date < today;
  const now = nowIn(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  return time <= `${now.hour}:${now.minute}:${now.second}`;
}

/** Of a zone that this browser does not know: by the clock of this machine. */
function nowIn(zone, parts) {
  let format;
  try {
    format = new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone });
  } catch {
    format = new Intl.DateTimeFormat('en-GB', parts);
  }
  return Object.fromEntries(format.formatToParts(new Date()).map(({ type, value }) => [type, value]));
}

/** `Asia/Kolkata` for people. */
export function zoneName(zone) {
  return zone.replaceAll('_', ' ');
}
