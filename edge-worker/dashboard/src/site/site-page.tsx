import { isMoveOver, type Site } from '@clawdbot/protocol';
import { useMemo } from 'react';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import type { Picture } from '../live/picture.ts';
import { Link } from '../place/here.tsx';
import { SiteIndex } from '../sites/standing.ts';
import { MoveTable } from '../view/moves.tsx';
import { Panel } from '../view/panel.tsx';
import { Config } from './config.tsx';
import { Deployments } from './deployments.tsx';
import { Health } from './health.tsx';
import { History } from './history.tsx';
import { readMoves, readSite } from './reads.ts';
import { SiteHead } from './site-head.tsx';
import { siteNews } from './site-news.ts';
import { Waiting } from './waiting.tsx';

interface SitePageProps {
  readonly siteId: string;
  readonly picture: Picture | undefined;
}

const NOTHING: Picture = { orchestrators: [], commands: [], moves: [], events: [], missed: 0 };

/** All that is known of one site. Give it the site's id as its key. */
export function SitePage({ siteId, picture = NOTHING }: SitePageProps) {
  const move = picture.moves.find((one) => one.siteId === siteId);
  const { fetched, again } = useFresh(() => readSite(siteId), `${move?.id} ${move?.state}`);
  return (
    <>
      <p className="trail">
        <Link to={{ at: 'sites' }}>Sites</Link> / {siteId}
      </p>
      <Part fetched={fetched} again={again} what={`the site ${siteId}`}>
        {(found) => ('gone' in found ? <Gone why={found.gone} /> : <Parts site={found} picture={picture} />)}
      </Part>
    </>
  );
}

/** Where a link of an older event, command or move leads. */
const Gone = ({ why }: { readonly why: string }) => (
  <p className="missed" role="alert">
    There is nothing to show: {why}. <Link to={{ at: 'sites' }}>All sites</Link>
  </p>
);

function Parts({ site, picture }: { readonly site: Site; readonly picture: Picture }) {
  const { id: siteId } = site;
  const { orchestrators, moves } = picture;
  const index = useMemo(() => new SiteIndex({ orchestrators, moves }), [orchestrators, moves]);
  const facts = index.of(site);
  const news = siteNews(picture, siteId, facts.orchestrator?.id ?? site.orchestratorId);
  const live = picture.events.filter((event) => event.siteId === siteId);
  const own = moves.filter((move) => move.siteId === siteId);
  return (
    <div className="site-page">
      <SiteHead site={site} facts={facts} />
      <Travels siteId={siteId} news={news.moves} live={own} />
      <Deployments siteId={siteId} news={news.deployments} />
      <Health siteId={siteId} orchestrator={facts.orchestrator} workers={facts.workers} news={news.health} />
      <Config siteId={siteId} news={news.config} />
      <Waiting siteId={siteId} news={news.waiting} />
      <History siteId={siteId} live={live} moves={own} />
    </div>
  );
}

interface TravelsProps {
  readonly siteId: string;
  readonly news: string;
  readonly live: Picture['moves'];
}

/** Moves of the site, the one that is under way first; nothing where it was never moved. */
function Travels({ siteId, news, live }: TravelsProps) {
  const { fetched } = useFresh(() => readMoves(siteId), news);
  const listed = fetched.state === 'here' ? fetched.value : [];
  const known = new Set(live.map(({ id }) => id));
  const all = [...live, ...listed.filter(({ id }) => !known.has(id))];
  if (all.length === 0) return null;
  return (
    <Panel name="moves" title="Moves" sum={all.every(isMoveOver) ? undefined : 'under way'}>
      <MoveTable shown={all} />
    </Panel>
  );
}
