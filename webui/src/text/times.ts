/**
 * Times as people read them, where they are: the browser's time zone and language.
 *
 * Law of this file: formatters are made once, because making one costs more than a row.
 */

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** Return the hour and minute. */
export function timeOfDay(time: number): string {
  return clock.format(time);
}

/** Return the hour and minute for a narrow place: without the half of the day, which the message above tells. */
export function shortTime(time: number): string {
  const parts = clock.formatToParts(time).filter(({ type }) => type !== "dayPeriod");
  return parts.map(({ value }) => value).join("").trim();
}

/** Return the whole of a time. */
export function wholeTime(time: number): string {
  return full.format(time);
}

/** Return a number that is the same for all times of one day. */
export function dayOf(time: number): number {
  const day = new Date(time);
  return (day.getFullYear() * 12 + day.getMonth()) * 31 + day.getDate() - 1;
}

/** Return what a day is called. */
export function dayName(time: number, now: number = Date.now()): string {
  const day = dayOf(time);
  if (day === dayOf(now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === dayOf(yesterday.getTime())) return "Yesterday";
  return now - time < 300 * 24 * 3600 * 1000 ? weekday.format(time) : date.format(time);
}
