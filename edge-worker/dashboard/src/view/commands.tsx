import type { CommandSummary } from '@clawdbot/protocol';
import { memo } from 'react';
import { isOpen } from '../live/picture.ts';
import { SiteLink } from '../place/here.tsx';
import { Badge } from './badge.tsx';
import { COMMAND_TONES, doing } from './command-words.ts';
import { Nothing, Panel } from './panel.tsx';
import { Since } from './since.tsx';
import { Table } from './table.tsx';

/** Rows of a table that can still be read; an outage may leave a thousand commands waiting. */
const OPEN_SHOWN_MAX = 50;
const ENDED_SHOWN_MAX = 20;

export function Commands({ known }: { readonly known: readonly CommandSummary[] | undefined }) {
  const open = known?.filter(isOpen) ?? [];
  const ended = known?.filter((command) => !isOpen(command)) ?? [];
  const shown = [...open.slice(0, OPEN_SHOWN_MAX), ...ended.slice(0, ENDED_SHOWN_MAX)];
  const hidden = open.length - OPEN_SHOWN_MAX;
  return (
    <Panel
      name="commands"
      title="Commands"
      sum={
        known === undefined ? undefined : open.length === 0 ? 'none in flight' : `${open.length} in flight`
      }
    >
      {shown.length === 0 ? (
        <Nothing known={known !== undefined}>
          No command yet: deploy a Worker or change a site’s config.
        </Nothing>
      ) : (
        <div className="scrolls">
          <Table columns={['State', 'Command', 'Site', 'By', 'Age']}>
            {shown.map((command) => (
              <Row key={command.id} command={command} />
            ))}
          </Table>
          {hidden > 0 && <p className="more">{hidden} more are in flight.</p>}
        </div>
      )}
    </Panel>
  );
}

const Row = memo(function Row({ command }: { readonly command: CommandSummary }) {
  const { id, state, siteId, orchestratorId, createdBy, createdAt, error, reason } = command;
  return (
    <tr>
      <td>
        <Badge shape={state} tone={COMMAND_TONES[state]} word={state} />
      </td>
      <td className="wide">
        <span title={id}>{doing(command)}</span>
        {error !== undefined && (
          <p className="refusal" title={error.message}>
            {error.message}
          </p>
        )}
        {error === undefined && reason !== undefined && <p className="fine">{reason}</p>}
      </td>
      <td className="name" title={`${siteId} on ${orchestratorId}`}>
        <SiteLink siteId={siteId} />
      </td>
      <td className="name by" title={createdBy}>
        {createdBy}
      </td>
      <td className="age">
        <Since at={createdAt} />
      </td>
    </tr>
  );
});
