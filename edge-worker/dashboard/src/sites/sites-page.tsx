import type { Site } from '@clawdbot/protocol';
import { useDeferredValue, useEffect, useMemo, useState } from 'react';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import type { Picture } from '../live/picture.ts';
import { Panel } from '../view/panel.tsx';
import { filterOf, inOrder, isShown, isTrouble, type ListedSite, searchOf } from './filter.ts';
import { Filters } from './filters.tsx';
import { readSites } from './read.ts';
import { Rows } from './rows.tsx';
import { SiteIndex, siteStanding } from './standing.ts';

const NONE: readonly Site[] = [];

/** All sites of the organisation: those first that somebody may have to look at. */
export function SitesPage({ picture }: { readonly picture: Picture | undefined }) {
  // A move that begins or ends is seen at once; that a site was created or paused, with the next look.
  const news = picture?.moves.map(({ id, state }) => `${id} ${state}`).join() ?? '';
  const { fetched, again } = useFresh(readSites, news);
  const [filter, setFilter] = useState(() => filterOf(location.search));
  useEffect(() => history.replaceState(null, '', location.pathname + searchOf(filter)), [filter]);
  const sites = fetched.state === 'here' ? fetched.value.sites : NONE;
  const listed = useListed(sites, picture);
  const shown = useDeferredValue(
    useMemo(() => listed.filter((one) => isShown(one, filter)), [listed, filter]),
  );
  const isKnown = fetched.state === 'here';
  return (
    <Panel name="sites" title="Sites" sum={isKnown && <Sum listed={listed} shown={shown.length} />}>
      <Filters filter={filter} change={setFilter} sites={sites} />
      <Part fetched={fetched} again={again} what="the list of sites">
        {({ isCut }) => (
          <>
            {isCut && <p className="missed">Only the first {sites.length.toLocaleString()} are shown.</p>}
            <Rows key={searchOf(filter)} shown={shown} isAny={sites.length > 0} />
          </>
        )}
      </Part>
    </Panel>
  );
}

/** Each with what the live picture has of it, in the order in which they are shown. */
function useListed(sites: readonly Site[], picture: Picture | undefined): ListedSite[] {
  const { orchestrators, moves } = picture ?? {};
  return useMemo(() => {
    const index = new SiteIndex({ orchestrators: orchestrators ?? [], moves: moves ?? [] });
    const listed = sites.map((site) => {
      const facts = index.of(site);
      return { site, facts, standing: siteStanding(site, facts) };
    });
    return inOrder(listed);
  }, [sites, orchestrators, moves]);
}

function Sum({ listed, shown }: { readonly listed: readonly ListedSite[]; readonly shown: number }) {
  const troubled = listed.filter(({ standing }) => isTrouble(standing)).length;
  const all = listed.length.toLocaleString();
  return (
    <>
      <span>{shown === listed.length ? `${all} in all` : `${shown.toLocaleString()} of ${all}`}</span>
      <span>{troubled === 0 ? 'all well' : `${troubled} to look at`}</span>
    </>
  );
}
