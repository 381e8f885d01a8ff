import type { Connection } from '../live/store.ts';
import { Badge } from './badge.tsx';
import { useNow } from './now.tsx';

interface ConnectionProps {
  readonly connection: Connection;
  readonly retryNow: () => void;
}

/** How this page itself stands to the edge. What counts down is silent: a reader is told the state once. */
export const ConnectionState = ({ connection, retryNow }: ConnectionProps) => (
  <div className="connection">
    <div role="status">
      <State connection={connection} />
    </div>
    {connection.state === 'waiting' && (
      <>
        <Countdown until={connection.retryAt} />
        <button type="button" onClick={retryNow}>
          Retry now
        </button>
      </>
    )}
  </div>
);

function State({ connection }: Pick<ConnectionProps, 'connection'>) {
  switch (connection.state) {
    case 'live':
      return <Badge shape="live" tone="good" word="Live" />;
    case 'connecting':
      return <Badge shape="connecting" tone="quiet" word="Connecting …" />;
    case 'waiting':
      return <Badge shape="waiting" tone="warn" word={`Reconnecting: ${connection.why}`} />;
    case 'signed_out':
      return <Badge shape="away" tone="bad" word={`Signed out: ${connection.why}`} />;
  }
}

function Countdown({ until }: { readonly until: number }) {
  const seconds = Math.max(0, Math.ceil((until - useNow()) / 1_000));
  return <span className="countdown">in {seconds} s</span>;
}
