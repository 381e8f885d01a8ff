import type { Site } from '@clawdbot/protocol';
import { type SiteFacts, siteStanding } from '../sites/standing.ts';
import { Badge } from '../view/badge.tsx';
import { ORCHESTRATOR_TONES, ORCHESTRATOR_WORDS } from '../view/presence-words.ts';
import { At, Since } from '../view/since.tsx';

interface SiteHeadProps {
  readonly site: Site;
  readonly facts: SiteFacts;
}

/** Which site it is, how it stands, and where it is. */
export function SiteHead({ site, facts }: SiteHeadProps) {
  const { id, name, labels, hostnames, createdAt, paused } = site;
  const standing = siteStanding(site, facts);
  return (
    <section className={`panel site-head ${standing.tone}`} aria-label={id}>
      <div className="presence">
        <h2>{id}</h2>
        <Badge {...standing} />
        {name !== id && <span>{name}</span>}
        <span className="tags">
          {Object.entries(labels).map(([label, value]) => (
            <span key={label} className="tag">
              {label}:{value}
            </span>
          ))}
        </span>
      </div>
      {paused && (
        <p>
          Paused: customers get 503. <code>clawctl sites resume {id}</code> lets them in again.
        </p>
      )}
      <dl className="lines">
        <div>
          <dt>Orchestrator</dt>
          <dd>
            <Where site={site} facts={facts} />
          </dd>
        </div>
        <div>
          <dt>Host names</dt>
          <dd>{hostnames.length === 0 ? `none: /s/${id}/ on the relay` : hostnames.join(', ')}</dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <At at={createdAt} />
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Where({ site, facts: { orchestrator } }: SiteHeadProps) {
  if (orchestrator === undefined) return <>{site.orchestratorId}</>;
  const { state, since, reason } = orchestrator.presence;
  return (
    <>
      {orchestrator.id}{' '}
      <Badge shape={state} tone={ORCHESTRATOR_TONES[state]} word={ORCHESTRATOR_WORDS[state]} />{' '}
      {since !== undefined && <Since at={since} words={(age) => `for ${age}`} />}
      {reason !== undefined && <p className="fine">{reason}</p>}
      {state === 'away' && (
        <p className="fine">
          Meanwhile each route does what its config says: store, answer from what is kept, or 503. On the VPS,{' '}
          <code>clawctl doctor</code> looks for the reason; <code>clawctl orchestrators evacuate</code> moves
          its sites if it is gone for good.
        </p>
      )}
    </>
  );
}
