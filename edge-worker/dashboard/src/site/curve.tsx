import type { WorkerCheck } from '@clawdbot/protocol';
import { useId } from 'react';
import { useNow } from '../view/now.tsx';
import { At } from '../view/since.tsx';
import { curveOf, HEIGHT, type Point, WIDTH } from './curve.ts';
import { summary } from './health-words.ts';

interface LatencyCurveProps {
  readonly name: string;
  /** The newest first. */
  readonly checks: readonly WorkerCheck[];
}

/** Latency over time: a line, a cross where a look failed, a dashed line where another version began to answer. */
export function LatencyCurve({ name, checks }: LatencyCurveProps) {
  const id = useId();
  const now = useNow();
  const curve = curveOf(checks);
  if (curve === undefined) return null;
  return (
    <figure className="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-labelledby={`${id}-title ${id}-desc`}>
        <title id={`${id}-title`}>Health of {name}</title>
        <desc id={`${id}-desc`}>{summary(name, checks, now)}</desc>
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} className="grid" x1="0" x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} />
        ))}
        {curve.turns.map((x) => (
          <line key={x} className="turn" x1={x} x2={x} y1="0" y2={HEIGHT} />
        ))}
        {curve.lines.map((points) => (
          <Line key={points[0]?.x} points={points} />
        ))}
        {curve.failures.map(({ x, y }) => (
          <path key={x} className="cross" d={`M${x - 4} ${y - 4}l8 8m0 -8l-8 8`} />
        ))}
      </svg>
      <figcaption className="fine">
        <span>
          <At at={curve.from} />
        </span>
        <span>0 to {curve.topMs.toLocaleString()} ms</span>
        <span>
          <At at={curve.to} />
        </span>
      </figcaption>
    </figure>
  );
}

/** A single look is a dot. */
function Line({ points }: { readonly points: readonly Point[] }) {
  const [first] = points;
  if (first === undefined) return null;
  if (points.length === 1) return <circle className="dot" cx={first.x} cy={first.y} r="2.5" />;
  return (
    <polyline
      className="line"
      points={points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')}
    />
  );
}
