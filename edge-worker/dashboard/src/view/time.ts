const UNITS = [
  { ms: 86_400_000, unit: 'd' },
  { ms: 3_600_000, unit: 'h' },
  { ms: 60_000, unit: 'min' },
  { ms: 1_000, unit: 's' },
] as const;

/** A duration by its largest unit: "4 min". One that is negative, as by two clocks that differ, is none. */
export function duration(ms: number): string {
  for (const { ms: one, unit } of UNITS) {
    if (ms >= one) return `${Math.floor(ms / one)} ${unit}`;
  }
  return '0 s';
}

// Made once: a formatter costs a hundred times what a time does.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** Exact, in the reader's own zone, with the zone's name. */
export const exactTime = (at: number): string => exact.format(at);

/** The time of day, with the day in front when that is not today's. */
export function clockTime(at: number, now: number): string {
  const time = clock.format(at);
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? time : `${day.format(at)}, ${time}`;
}
