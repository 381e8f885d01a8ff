import type { SessionInfo } from '@clawdbot/protocol';
import { useState } from 'react';
import type { Connection } from '../live/store.ts';
import { Link } from '../place/here.tsx';
import { ConnectionState } from './connection.tsx';

interface HeaderProps {
  readonly who: SessionInfo;
  readonly connection: Connection;
  readonly retryNow: () => void;
  readonly leave: () => Promise<void>;
}

export function Header({ who, connection, retryNow, leave }: HeaderProps) {
  const [trouble, setTrouble] = useState<string>();
  const signOut = () => leave().catch((error) => setTrouble(`Still signed in: ${error.message}`));
  return (
    <header className="top">
      <h1>
        Clawdbot Orchestrator <span className="org">{who.orgId}</span>
      </h1>
      <nav aria-label="Places">
        <Link to={{ at: 'overview' }}>Overview</Link>
        <Link to={{ at: 'sites' }}>Sites</Link>
      </nav>
      <ConnectionState connection={connection} retryNow={retryNow} />
      <div className="who">
        <span role="alert" className="refusal">
          {trouble}
        </span>
        <span className="person" title={`Signed in as ${who.sub}, ${who.role}`}>
          {who.sub}
        </span>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
    </header>
  );
}
