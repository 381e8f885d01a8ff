import { useId } from 'react';
import { Since } from './since.tsx';

interface Depth {
  readonly name: string;
  readonly value: number;
  /** What waits there, on hover. */
  readonly about: string;
  /** Anything in it needs somebody. */
  readonly bad?: true;
}

interface QueuesProps {
  readonly title: string;
  /** Undefined while nobody has said. */
  readonly depths: readonly Depth[] | undefined;
  /** When this was so, if that is not now; milliseconds since the epoch. */
  readonly asOf?: number | undefined;
}

const numbers = new Intl.NumberFormat();

/** The depths of one side's queues. */
export function Queues({ title, depths, asOf }: QueuesProps) {
  const id = useId();
  return (
    <div className="queues">
      <h4 id={id}>
        {title}
        {depths !== undefined && asOf !== undefined && (
          <span className="as-of">
            {' · '}
            <Since at={asOf} words={(age) => `as of ${age} ago`} />
          </span>
        )}
      </h4>
      {depths === undefined ? (
        <p className="fine">not known</p>
      ) : (
        <dl aria-labelledby={id}>
          {depths.map(({ name, value, about, bad }) => (
            <div key={name} className={value === 0 ? 'zero' : bad ? 'bad' : ''} title={about}>
              <dt>{name}</dt>
              <dd>{numbers.format(value)}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
