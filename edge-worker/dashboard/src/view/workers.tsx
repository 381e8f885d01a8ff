import type { LiveOrchestrator, WorkerStatus } from '@clawdbot/protocol';
import { memo } from 'react';
import { SiteLink } from '../place/here.tsx';
import { Badge } from './badge.tsx';
import { Nothing, Panel } from './panel.tsx';
import { Table } from './table.tsx';
import { inOrder, seen, standingOf } from './worker-words.ts';

/** Rows of a table that can still be read; those in trouble are among them, being first. */
const SHOWN_MAX = 50;

export function Workers({ known }: { readonly known: readonly LiveOrchestrator[] | undefined }) {
  const workers = inOrder(known?.flatMap(({ status }) => status?.workers ?? []) ?? []);
  const troubled = workers.filter((worker) => ['bad', 'warn'].includes(standingOf(worker).tone)).length;
  const hidden = workers.length - SHOWN_MAX;
  const unseen = workers.filter(({ health }) => health === undefined).length;
  const well = unseen === 0 ? 'all well' : `${unseen} not looked at yet`;
  return (
    <Panel
      name="workers"
      title="Workers"
      sum={workers.length === 0 ? undefined : troubled === 0 ? well : `${troubled} to look at`}
    >
      {workers.length === 0 ? (
        <Nothing known={known !== undefined}>No Worker is deployed yet.</Nothing>
      ) : (
        <div className="scrolls">
          <Table columns={['State', 'Worker', 'Site', 'Seen']}>
            {workers.slice(0, SHOWN_MAX).map((worker) => (
              <Row key={`${worker.siteId ?? ''} ${worker.name}`} worker={worker} />
            ))}
          </Table>
          {hidden > 0 && <p className="more">{hidden} more are there.</p>}
        </div>
      )}
    </Panel>
  );
}

const Row = memo(function Row({ worker }: { readonly worker: WorkerStatus }) {
  const { name, siteId = '', url, drift, health } = worker;
  const { word, tone, shape } = standingOf(worker);
  return (
    <tr>
      <td>
        <Badge shape={shape} tone={tone} word={word} />
      </td>
      <td className="wide">
        <span title={url}>{name}</span>
        {health?.detail !== undefined && (
          <p className="refusal" title={health.detail}>
            {health.detail}
          </p>
        )}
        {drift !== undefined && <p className="fine">{drift}</p>}
      </td>
      <td className="name" title={siteId}>
        {siteId !== '' && <SiteLink siteId={siteId} />}
      </td>
      <td className="age">{seen(worker)}</td>
    </tr>
  );
});
