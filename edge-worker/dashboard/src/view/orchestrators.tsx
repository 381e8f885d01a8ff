import { counted, type LiveOrchestrator } from '@clawdbot/protocol';
import { SiteLink } from '../place/here.tsx';
import { Badge } from './badge.tsx';
import { refusals } from './config-words.ts';
import { Nothing, Panel } from './panel.tsx';
import { ORCHESTRATOR_TONES, ORCHESTRATOR_WORDS } from './presence-words.ts';
import { Queues } from './queues.tsx';
import { Since } from './since.tsx';

/** A list of UPSTREAM_ALLOW that lacks a host refuses every site's config. */
const REFUSED_SHOWN_MAX = 5;

export function Orchestrators({ known }: { readonly known: readonly LiveOrchestrator[] | undefined }) {
  const online = known?.filter(({ presence }) => presence.state === 'online').length;
  const sum = known === undefined || known.length === 0 ? undefined : `${online} of ${known.length} online`;
  return (
    <Panel name="orchestrators" title="Orchestrators" sum={sum}>
      {known === undefined || known.length === 0 ? (
        <Nothing known={known !== undefined}>This organisation has no orchestrator yet.</Nothing>
      ) : (
        <ul className="cards">
          {known.map((orchestrator) => (
            <li key={orchestrator.id}>
              <Orchestrator orchestrator={orchestrator} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Orchestrator({ orchestrator }: { readonly orchestrator: LiveOrchestrator }) {
  const { id, presence, status, queues, at } = orchestrator;
  const refused = refusals(status?.sites ?? []);
  return (
    <article className={`orchestrator ${ORCHESTRATOR_TONES[presence.state]}`} aria-label={id}>
      <div className="identity">
        <div className="presence">
          <h3>{id}</h3>
          <Badge
            shape={presence.state}
            tone={ORCHESTRATOR_TONES[presence.state]}
            word={ORCHESTRATOR_WORDS[presence.state]}
          />
          {presence.since !== undefined && <Since at={presence.since} words={(age) => `for ${age}`} />}
        </div>
        {presence.reason !== undefined && <p className="reason">{presence.reason}</p>}
        {status !== undefined && (
          <p className="fine">
            version {status.version} · {counted(status.sites.length, 'site')} ·{' '}
            {counted(status.workers.length, 'Worker')}
          </p>
        )}
        {refused.slice(0, REFUSED_SHOWN_MAX).map(({ siteId, words }) => (
          <p key={siteId} className="refusal">
            <strong>
              <SiteLink siteId={siteId} />
            </strong>{' '}
            {words}
          </p>
        ))}
        {refused.length > REFUSED_SHOWN_MAX && (
          <p className="refusal">{refused.length - REFUSED_SHOWN_MAX} more sites’ configs were refused</p>
        )}
      </div>
      <Queues
        title="At the edge"
        depths={
          queues && [
            {
              name: 'control',
              value: queues.control,
              about: 'Commands and config that wait for the orchestrator',
            },
            {
              name: 'queue',
              value: queues.queue,
              about: 'Customers’ requests that wait for the orchestrator',
            },
            { name: 'inbox', value: queues.inbox, about: 'Taken from the orchestrator and not handled yet' },
            { name: 'to D1', value: queues.unprojected, about: 'Facts that D1 does not show yet' },
            {
              name: 'dead',
              value: queues.deadLetters + queues.deadReceipts,
              about: 'Dead letters and stored requests that were given up: they wait for you',
              bad: true,
            },
          ]
        }
      />
      <Queues
        title="On the VPS"
        asOf={presence.state === 'online' ? undefined : (status?.at ?? at)}
        depths={
          status && [
            { name: 'inbox', value: status.queues.inbox, about: 'Taken from the edge and not handled yet' },
            {
              name: 'outbox',
              value: status.queues.outbox,
              about: 'For the edge, which has not confirmed it',
            },
            {
              name: 'dead',
              value: status.queues.deadLetters,
              about: 'Dead letters: they wait for you',
              bad: true,
            },
          ]
        }
      />
    </article>
  );
}
