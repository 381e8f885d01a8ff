import type { SessionInfo } from '@clawdbot/protocol';
import { useEffect } from 'react';
import { useLive } from './live/use-live.ts';
import { Commands } from './view/commands.tsx';
import { Events } from './view/events.tsx';
import { Header } from './view/header.tsx';
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
    <Clock>
      <Header who={who} connection={connection} retryNow={retryNow} leave={leave} />
      <main>
        <StoppedClock at={asOf}>
          {asOf !== undefined && (
            <p className="as-it-was" role="note">
              Not connected: everything is shown as it was at <At at={asOf} />.
            </p>
          )}
          <div className="console">
            <Orchestrators known={picture?.orchestrators} />
            <Workers known={picture?.orchestrators} />
            <Commands known={picture?.commands} />
            <Events known={picture?.events} missed={picture?.missed ?? 0} />
          </div>
        </StoppedClock>
      </main>
    </Clock>
  );
}
