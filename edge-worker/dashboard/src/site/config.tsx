import type { Route, SiteConfigState } from '@clawdbot/protocol';
import type { ReactNode } from 'react';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import { Badge } from '../view/badge.tsx';
import { Panel } from '../view/panel.tsx';
import { At } from '../view/since.tsx';
import { Table } from '../view/table.tsx';
import { configStanding, consumers } from './config-words.ts';
import { readConfig } from './reads.ts';

interface ConfigProps {
  readonly siteId: string;
  /** Changes with each edit, each report and each deployment of the site. */
  readonly news: string;
}

/** What is desired of a site, who uses it, and what went wrong last. */
export function Config({ siteId, news }: ConfigProps) {
  const { fetched, again } = useFresh(() => readConfig(siteId), news);
  return (
    <Panel
      name="config"
      title="Config"
      sum={fetched.state === 'here' ? <Badge {...configStanding(fetched.value)} /> : undefined}
    >
      <Part fetched={fetched} again={again} what="the config">
        {(state) =>
          state.generation === 0 ? (
            <p className="nothing">
              No config yet: <code>clawctl config set {siteId}</code> gives it routes.
            </p>
          ) : (
            <>
              <Generations state={state} />
              <Routes routes={state.config.routes} />
            </>
          )
        }
      </Part>
    </Panel>
  );
}

function Generations({ state }: { readonly state: SiteConfigState }) {
  const { generation, updatedAt, author, note, running, lastGood, lastFailure, warnings } = state;
  return (
    <dl className="lines">
      <Line name="Desired">
        generation {generation}
        {author !== undefined && ` by ${author}`}
        {updatedAt !== undefined && <Time at={updatedAt} />}
        {note !== undefined && <p className="fine">{note}</p>}
      </Line>
      <Line name="Runs on the VPS">
        {running === undefined || running.generation === 0 ? 'not known' : `generation ${running.generation}`}
      </Line>
      {consumers(state).map(({ name, words }) => (
        <Line key={name} name={`Used by ${name}`}>
          {words}
        </Line>
      ))}
      {lastGood !== undefined && (
        <Line name="Last good">
          generation {lastGood.generation}
          <Time at={lastGood.at} />
        </Line>
      )}
      {lastFailure !== undefined && (
        <Line name="Last failure">
          <span className={lastFailure.generation === generation ? 'refusal' : ''}>
            generation {lastFailure.generation}
            <Time at={lastFailure.at} />
            {lastFailure.error !== undefined && `: ${lastFailure.error}`}
            {lastFailure.failures > 1 && ` (${lastFailure.failures} times)`}
          </span>
        </Line>
      )}
      {warnings.map((warning) => (
        <Line key={warning} name="Warning">
          <span className="refusal">{warning}</span>
        </Line>
      ))}
    </dl>
  );
}

const Line = ({ name, children }: { readonly name: string; readonly children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const Time = ({ at }: { readonly at: number }) => (
  <>
    {', '}
    <At at={at} />
  </>
);

function Routes({ routes }: { readonly routes: readonly Route[] }) {
  if (routes.length === 0) return <p className="nothing">No route: requests get 404.</p>;
  return (
    <Table columns={['Route', 'Upstream', 'While the VPS is away']}>
      {routes.map(({ path, methods, upstream, offline }) => (
        <tr key={`${path} ${methods?.join()}`}>
          <td>
            <code>{path}</code> <span className="fine">{methods?.join(', ')}</span>
          </td>
          <td>{upstream}</td>
          <td>{OFFLINE[offline]}</td>
        </tr>
      ))}
    </Table>
  );
}

const OFFLINE: Record<Route['offline'], string> = {
  queue: 'requests are stored',
  stale: 'the last good answer',
  unavailable: '503',
};
