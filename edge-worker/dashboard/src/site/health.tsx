import type { LiveOrchestrator, StatusReport, WorkerStatus } from '@clawdbot/protocol';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import { Badge } from '../view/badge.tsx';
import { Panel } from '../view/panel.tsx';
import { Since } from '../view/since.tsx';
import { standingOf } from '../view/worker-words.ts';
import { LatencyCurve } from './curve.tsx';
import { facts } from './health-words.ts';
import { readReport } from './reads.ts';

interface HealthProps {
  readonly siteId: string;
  readonly orchestrator: LiveOrchestrator | undefined;
  /** As the live picture last had them. */
  readonly workers: readonly WorkerStatus[];
  /** Changes when one of them has become unhealthy or healthy again, or was deployed. */
  readonly news: string;
}

/** How a site's Workers have answered lately. The looks are kept on the VPS, which is asked for them. */
export function Health({ siteId, orchestrator, workers, news }: HealthProps) {
  const isAway = orchestrator !== undefined && orchestrator.presence.state === 'away';
  return (
    <Panel name="health" title="Health">
      {isAway ? (
        <>
          <p className="missed" role="note">
            {orchestrator.id} is away, and the curve is kept there: it comes back with it.
          </p>
          <Workers workers={workers} siteId={siteId} />
        </>
      ) : (
        <Looks siteId={siteId} news={news} />
      )}
    </Panel>
  );
}

function Looks({ siteId, news }: Pick<HealthProps, 'siteId' | 'news'>) {
  const { fetched, again } = useFresh(() => readReport(siteId), news);
  return (
    <Part fetched={fetched} again={again} what="the latest looks from the VPS">
      {({ site }) => <Workers workers={site.workers} siteId={siteId} />}
    </Part>
  );
}

type SeenWorker = StatusReport['site']['workers'][number];

function Workers({ workers, siteId }: { readonly workers: readonly SeenWorker[]; readonly siteId: string }) {
  if (workers.length === 0)
    return (
      <p className="nothing">No Worker of {siteId} is known to its orchestrator: nothing is looked at.</p>
    );
  return (
    <ul className="cards">
      {workers.map((worker) => (
        <li key={worker.name}>
          <Worker worker={worker} />
        </li>
      ))}
    </ul>
  );
}

function Worker({ worker }: { readonly worker: SeenWorker }) {
  const { name, url, drift, health, checks = [] } = worker;
  return (
    <article className="worker" aria-label={name}>
      <div className="presence">
        <h3>{name}</h3>
        <Badge {...standingOf(worker)} />
        {health !== undefined && <Since at={health.at} words={(age) => `looked at ${age} ago`} />}
      </div>
      {url !== undefined && /^https?:/.test(url) && (
        <p className="fine">
          <a href={url} target="_blank" rel="noreferrer">
            {url}
          </a>
        </p>
      )}
      {health?.detail !== undefined && <p className="refusal">{health.detail}</p>}
      {drift !== undefined && <p className="fine">{drift}</p>}
      <LatencyCurve name={name} checks={checks} />
      {health === undefined ? (
        <p className="fine">Not looked at yet: the first look comes within minutes (WATCH_MINUTES).</p>
      ) : (
        <dl className="facts">
          {facts(health).map((fact) => (
            <div key={fact.name} className={fact.isBad ? 'bad' : ''}>
              <dt>{fact.name}</dt>
              <dd>{fact.value}</dd>
            </div>
          ))}
          <div>
            <dt>Good looks</dt>
            <dd>
              {health.good} of {health.looks}
            </dd>
          </div>
        </dl>
      )}
    </article>
  );
}
