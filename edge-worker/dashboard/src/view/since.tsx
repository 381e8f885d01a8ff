import { useNow } from './now.tsx';
import { clockTime, duration, exactTime } from './time.ts';

interface TimeProps {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** How long ago, counting; exact on hover. */
export function Since({ at, words }: TimeProps & { readonly words?: (age: string) => string }) {
  const age = duration(useNow() - at);
  return (
    <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>
      {words === undefined ? age : words(age)}
    </time>
  );
}

/** The time of day; exact on hover. */
export const At = ({ at }: TimeProps) => (
  <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>
    {clockTime(at, useNow())}
  </time>
);
