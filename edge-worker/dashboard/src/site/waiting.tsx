import { counted, type Receipt } from '@clawdbot/protocol';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import { Panel } from '../view/panel.tsx';
import { Queues } from '../view/queues.tsx';
import { Since } from '../view/since.tsx';
import { Table } from '../view/table.tsx';
import { readWaiting, type SiteWaiting } from './reads.ts';

interface WaitingProps {
  readonly siteId: string;
  /** Changes when something may have been stored or delivered. */
  readonly news: string;
}

/** What waits for a site's VPS, and what was given up and waits for somebody. */
export function Waiting({ siteId, news }: WaitingProps) {
  const { fetched, again } = useFresh(() => readWaiting(siteId), news);
  return (
    <Panel name="waiting" title="Waiting">
      <Part fetched={fetched} again={again} what="what waits">
        {(waiting) => (
          <>
            <div className="padded">
              <Depths waiting={waiting} />
            </div>
            {waiting.dead.length === 0 ? (
              <p className="nothing">No stored request was given up.</p>
            ) : (
              <Dead dead={waiting.dead} />
            )}
          </>
        )}
      </Part>
    </Panel>
  );
}

const Depths = ({
  waiting: { receipts, commands, kept, dead, isMoreDead },
}: {
  readonly waiting: SiteWaiting;
}) => (
  <Queues
    title="Of this site"
    depths={[
      { name: 'requests', value: receipts, about: 'Customers’ stored requests that are not delivered yet' },
      { name: 'commands', value: commands, about: 'Deployments and edits that have not ended' },
      {
        name: isMoreDead ? 'dead, or more' : 'dead',
        value: dead.length,
        about: 'Stored requests that were given up: they wait for you',
        bad: true,
      },
      { name: 'kept', value: kept, about: 'Stored requests whose content is still there, delivered or not' },
    ]}
  />
);

const Dead = ({ dead }: { readonly dead: readonly Receipt[] }) => (
  <>
    <p className="padded fine">
      Given up, newest first. <code>clawctl receipts redeliver &lt;id&gt;</code> delivers one once more.
    </p>
    <div className="scrolls">
      <Table columns={['Request', 'Why', 'Age']}>
        {dead.map(({ id, route, lastError, status, attempts, receivedAt }) => (
          <tr key={id}>
            <td className="wide">
              <code>{route}</code> <span className="fine">{id}</span>
            </td>
            <td>{`${lastError ?? `status ${status ?? 'not known'}`}, after ${counted(attempts, 'attempt')}`}</td>
            <td className="age">
              <Since at={receivedAt} />
            </td>
          </tr>
        ))}
      </Table>
    </div>
  </>
);
