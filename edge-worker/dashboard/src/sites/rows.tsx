import type { Site } from '@clawdbot/protocol';
import { memo, useState } from 'react';
import { SiteLink } from '../place/here.tsx';
import { Badge } from '../view/badge.tsx';
import { Table } from '../view/table.tsx';
import { inOrder, type Standing, seen } from '../view/worker-words.ts';
import type { ListedSite } from './filter.ts';

/** Drawn before somebody asks for more: a thousand rows take a phone half a second. */
const ROWS = 100;
const HOSTNAMES_SHOWN = 2;

interface RowsProps {
  readonly shown: readonly ListedSite[];
  /** Is there a site at all? */
  readonly isAny: boolean;
}

export function Rows({ shown, isAny }: RowsProps) {
  const [rows, setRows] = useState(ROWS);
  if (shown.length === 0) return <NoRow isAny={isAny} />;
  const more = Math.min(ROWS, shown.length - rows);
  return (
    <>
      <Table columns={['State', 'Site', 'Orchestrator', 'Config', 'Worker seen']}>
        {shown.slice(0, rows).map((listed) => (
          <Row key={listed.site.id} {...cells(listed)} />
        ))}
      </Table>
      {more > 0 && (
        <p className="more">
          {(shown.length - rows).toLocaleString()} more.{' '}
          <button type="button" onClick={() => setRows(rows + ROWS)}>
            Show {more} of them
          </button>
        </p>
      )}
    </>
  );
}

const NoRow = ({ isAny }: Pick<RowsProps, 'isAny'>) => (
  <p className="nothing">
    {isAny ? (
      'No site is like that: search for less, or choose another label or state.'
    ) : (
      <>
        No site yet: <code>clawctl sites create &lt;id&gt;</code> makes one, and{' '}
        <code>clawctl sites import</code> takes over customers of the existing API.
      </>
    )}
  </p>
);

interface Cells extends Standing {
  readonly site: Site;
  readonly orchestratorId: string;
  readonly config: string;
  readonly looked: string;
}

/** All but the site are plain text, so that a row is drawn again only when it changes. */
function cells({ site, standing, facts: { orchestrator, status, workers } }: ListedSite): Cells {
  const [worst] = inOrder(workers);
  return {
    ...standing,
    site,
    orchestratorId: orchestrator?.id ?? site.orchestratorId,
    config: status === undefined || status.generation === 0 ? '–' : `generation ${status.generation}`,
    looked: worst === undefined ? 'no Worker' : seen(worst),
  };
}

const Row = memo(function Row({ site, orchestratorId, config, looked, ...standing }: Cells) {
  const { id, name, labels, hostnames } = site;
  const hosts = hostnames.slice(0, HOSTNAMES_SHOWN).join(', ');
  const more = hostnames.length - HOSTNAMES_SHOWN;
  return (
    <tr>
      <td>
        <Badge {...standing} />
      </td>
      <td className="wide">
        <SiteLink siteId={id} />
        {name !== id && ` ${name}`}
        <span className="tags">
          {Object.entries(labels).map(([label, value]) => (
            <span key={label} className="tag">
              {label}:{value}
            </span>
          ))}
        </span>
        {hosts !== '' && (
          <p className="fine">
            {hosts}
            {more > 0 && ` and ${more} more`}
          </p>
        )}
      </td>
      <td className="name">{orchestratorId}</td>
      <td className="time">{config}</td>
      <td className="age">{looked}</td>
    </tr>
  );
});
