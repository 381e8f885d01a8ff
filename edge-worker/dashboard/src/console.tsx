import type { Place, SessionInfo } from '@clawdbot/protocol';
import { useEffect } from 'react';
import type { Picture } from './live/picture.ts';
import { useLive } from './live/use-live.ts';
import { HereProvider, useHere } from './place/here.tsx';
import { SitePage } from './site/site-page.tsx';
import { SitesPage } from './sites/sites-page.tsx';
import { Commands } from './view/commands.tsx';
import { Events } from './view/events.tsx';
import { Header } from './view/header.tsx';
import { withMoves } from './view/move-words.ts';
import { Moves } from './view/moves.tsx';
import { Clock, StoppedClock } from './view/now.tsx';
import { Orchestrators } from './view/orchestrators.tsx';
import { At } from './view/since.tsx';
import { Workers } from './view/workers.tsx';

interface ConsoleProps {
  readonly who: SessionInfo;
  readonly leave: () => Promise<void>;
  /** Told why the session is over when that was not asked for. */
  readonly ended: (why: string) => void;
}

/** What somebody who is signed in sees. */
export function Console({ who, leave, ended }: ConsoleProps) {
  const { view, retryNow } = useLive();
  const { connection, picture, asOf } = view;
  useEffect(() => {
    if (connection.state === 'signed_out') ended(connection.why);
  }, [connection, ended]);
  return (
    <HereProvider>
      <Clock>
        <Header who={who} connection={connection} retryNow={retryNow} leave={leave} />
        <main>
          <StoppedClock at={asOf}>
            {asOf !== undefined && (
              <p className="as-it-was" role="note">
                Not connected: everything is shown as it was at <At at={asOf} />.
              </p>
            )}
            <Shown picture={picture} />
          </StoppedClock>
        </main>
      </Clock>
    </HereProvider>
  );
}

function Shown({ picture }: { readonly picture: Picture | undefined }) {
  const { place } = useHere();
  useEffect(() => {
    document.title = titleOf(place);
  }, [place]);
  switch (place.at) {
    case 'overview':
      return <Overview picture={picture} />;
    case 'sites':
      return (
        <div className="page">
          <SitesPage picture={picture} />
        </div>
      );
    case 'site':
      return (
        <div className="page">
          <SitePage key={place.siteId} siteId={place.siteId} picture={picture} />
        </div>
      );
  }
}

function titleOf(place: Place): string {
  const product = 'Clawdbot Orchestrator';
  switch (place.at) {
    case 'overview':
      return product;
    case 'sites':
      return `Sites · ${product}`;
    case 'site':
      return `${place.siteId} · ${product}`;
  }
}

const Overview = ({ picture }: { readonly picture: Picture | undefined }) => (
  <div className="console">
    <Orchestrators known={picture?.orchestrators} />
    <Moves known={picture?.moves} />
    <Workers known={picture?.orchestrators} />
    <Commands known={picture?.commands} />
    <Events known={picture && withMoves(picture.events, picture.moves)} missed={picture?.missed ?? 0} />
  </div>
);
