import type { SessionInfo } from '@clawdbot/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Refused } from '../ask/ask.ts';
import { signIn, signOut, whoIsSignedIn } from './session.ts';

export type Session =
  | { readonly state: 'asking' }
  | { readonly state: 'signed_out'; readonly why?: string }
  | { readonly state: 'unreachable'; readonly why: string }
  | { readonly state: 'signed_in'; readonly who: SessionInfo };

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function begin(linkToken: string | undefined): Promise<Session> {
  try {
    const who = linkToken === undefined ? await whoIsSignedIn() : await signIn(linkToken);
    return who === undefined ? { state: 'signed_out' } : { state: 'signed_in', who };
  } catch (error) {
    return { state: error instanceof Refused ? 'signed_out' : 'unreachable', why: messageOf(error) };
  }
}

/** Who is signed in, and the ways in and out. */
export function useSession(linkToken: string | undefined) {
  const [session, setSession] = useState<Session>({ state: 'asking' });

  const retry = useCallback(() => {
    setSession({ state: 'asking' });
    void begin(linkToken).then(setSession);
  }, [linkToken]);

  // React's strict mode runs effects twice, and a link's token should be posted once.
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    retry();
  }, [retry]);

  return {
    session,
    retry,
    /** @throws with the reason, which its form shows */
    signIn: async (token: string) => setSession({ state: 'signed_in', who: await signIn(token) }),
    /** @throws when the edge did not end the session: who leaves must know */
    leave: async () => {
      await signOut();
      setSession({ state: 'signed_out' });
    },
    ended: useCallback((why: string) => setSession({ state: 'signed_out', why }), []),
  };
}
