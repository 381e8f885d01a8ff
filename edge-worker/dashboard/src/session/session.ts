import { type SessionInfo, session } from '@clawdbot/protocol';
import { answerOf, ask } from '../ask/ask.ts';

const PATH = '/session';

/**
 * Turns a token into this browser's session.
 *
 * @throws Refused when the edge does not take the token
 */
export async function signIn(token: string): Promise<SessionInfo> {
  const response = await ask('POST', PATH, { token: token.trim() });
  return session.parse(await answerOf(response));
}

/** @returns undefined when nobody is */
export async function whoIsSignedIn(): Promise<SessionInfo | undefined> {
  const response = await ask('GET', PATH);
  return response.status === 401 ? undefined : session.parse(await answerOf(response));
}

export async function signOut(): Promise<void> {
  const response = await ask('DELETE', PATH);
  if (!response.ok && response.status !== 401) await answerOf(response);
}
