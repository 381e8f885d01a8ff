import { isMoveOver, type SiteMove } from '@clawdbot/protocol';
import { memo } from 'react';
import { SiteLink } from '../place/here.tsx';
import { Badge, type Tone } from './badge.tsx';
import type { Shape } from './icon.tsx';
import { type Direction, directions, recent, sinceOf, stepOf } from './move-words.ts';
import { useNow } from './now.tsx';
import { Panel } from './panel.tsx';
import { Since } from './since.tsx';
import { Table } from './table.tsx';

const STATES: Record<
  SiteMove['state'],
  { readonly tone: Tone; readonly shape: Shape; readonly word: string }
> = {
  preparing: { tone: 'quiet', shape: 'queued', word: 'preparing' },
  moving: { tone: 'busy', shape: 'running', word: 'moving' },
  moved: { tone: 'good', shape: 'succeeded', word: 'moved' },
  undoing: { tone: 'warn', shape: 'running', word: 'taking back' },
  undone: { tone: 'warn', shape: 'cancelled', word: 'taken back' },
};

/** Rows that can still be read; those whose requests wait come first. */
const SHOWN_MAX = 30;

/** Sites on their way to another orchestrator. Nothing is shown where nothing moves. */
export function Moves({ known = [] }: { readonly known: readonly SiteMove[] | undefined }) {
  const moves = recent(known, useNow());
  if (moves.length === 0) return null;
  const open = moves.filter((move) => !isMoveOver(move));
  const shown = [...heldFirst(open), ...moves.filter(isMoveOver)].slice(0, SHOWN_MAX);
  return (
    <Panel name="moves" title="Moves" sum={open.length === 0 ? 'all done' : `${open.length} under way`}>
      {directions(moves).map((direction) => (
        <Way key={`${direction.from} ${direction.to}`} direction={direction} />
      ))}
      <MoveTable shown={shown} />
      {moves.length > shown.length && <p className="more">{moves.length - shown.length} more are there.</p>}
    </Panel>
  );
}

const heldFirst = (moves: readonly SiteMove[]): SiteMove[] => {
  const isHeld = ({ heldAt }: SiteMove) => Number(heldAt !== undefined);
  return moves.toSorted((a, b) => isHeld(b) - isHeld(a));
};

const Way = ({
  direction: { from, to, underWay, held, moved, undone },
}: {
  readonly direction: Direction;
}) => (
  <p className="way">
    <strong>
      {from} → {to}
    </strong>
    {`: ${[
      underWay === 0 ? 'none under way' : `${underWay} under way, ${held} of them with requests stored`,
      `${moved} moved lately`,
      ...(undone === 0 ? [] : [`${undone} taken back`]),
    ].join(' · ')}`}
  </p>
);

export const MoveTable = ({ shown }: { readonly shown: readonly SiteMove[] }) => (
  <div className="scrolls">
    <Table columns={['State', 'Site', 'From → to', 'Step', 'Since']}>
      {shown.map((move) => (
        <Row key={move.id} move={move} />
      ))}
    </Table>
  </div>
);

const Row = memo(function Row({ move }: { readonly move: SiteMove }) {
  const { id, siteId, from, to, state, createdBy } = move;
  return (
    <tr>
      <td>
        <Badge {...STATES[state]} />
      </td>
      <td className="name">
        <SiteLink siteId={siteId} />
      </td>
      <td className="way-cell">
        {from} → {to}
      </td>
      <td className="wide" title={`${id}, by ${createdBy}`}>
        {stepOf(move)}
      </td>
      <td className="age">
        <Since at={sinceOf(move)} />
      </td>
    </tr>
  );
});
