import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';

const Now = createContext(0);

/** The time of everything below, in milliseconds since the epoch: one timer for all that counts. */
export const useNow = (): number => useContext(Now);

export function Clock({ children }: { readonly children: ReactNode }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <Now value={now}>{children}</Now>;
}

interface StoppedClockProps {
  /** Milliseconds since the epoch; undefined while time goes on. */
  readonly at: number | undefined;
  readonly children: ReactNode;
}

/** Where time stands still: what is below was so then, and is not known to be so since. */
export function StoppedClock({ at, children }: StoppedClockProps) {
  const now = useNow();
  return <Now value={at ?? now}>{children}</Now>;
}
