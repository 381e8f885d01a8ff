import { type ReactNode, useId } from 'react';

interface PanelProps {
  readonly name: string;
  readonly title: string;
  /** What the whole of it comes to, beside the title. */
  readonly sum?: ReactNode;
  readonly children: ReactNode;
}

/** A titled region of the console. */
export function Panel({ name, title, sum, children }: PanelProps) {
  const id = useId();
  return (
    <section className={`panel ${name}`} aria-labelledby={id}>
      <div className="panel-head">
        <h2 id={id}>{title}</h2>
        {sum !== undefined && <div className="sum">{sum}</div>}
      </div>
      {children}
    </section>
  );
}

/** In place of a list: nothing is known yet, or nothing is there. */
export const Nothing = ({ known, children }: { readonly known: boolean; readonly children: ReactNode }) => (
  <p className="nothing">{known ? children : 'Loading …'}</p>
);
