import type { ReactNode } from 'react';
import { At } from '../view/since.tsx';
import type { Fetched } from './fresh.ts';

interface PartProps<T> {
  readonly fetched: Fetched<T>;
  readonly again: () => void;
  /** What could not be had, as in "the list of sites". */
  readonly what: string;
  readonly children: (value: T) => ReactNode;
}

/** What was asked of the API: the wait for it, why it did not come, or it. What is old says so. */
export function Part<T>({ fetched, again, what, children }: PartProps<T>) {
  switch (fetched.state) {
    case 'loading':
      return <p className="nothing">Loading …</p>;
    case 'failed':
      return (
        <Trouble again={again}>
          Could not get {what}: {fetched.why}
        </Trouble>
      );
    case 'here':
      return (
        <>
          {fetched.trouble !== undefined && (
            <Trouble again={again}>
              As of <At at={fetched.at} />: {fetched.trouble}
            </Trouble>
          )}
          {children(fetched.value)}
        </>
      );
  }
}

const Trouble = ({ again, children }: { readonly again: () => void; readonly children: ReactNode }) => (
  <p className="missed" role="alert">
    {children}{' '}
    <button type="button" onClick={again}>
      Try again
    </button>
  </p>
);
