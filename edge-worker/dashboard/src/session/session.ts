import { problem, type SessionInfo, session } from '@clawdbot/protocol';

/** Written out: the door of the routes would bring the OpenAPI library into the page. */
const PATH = '/api/v1/session';
const DEADLINE_MS = 10_000;

/** The edge's own words about why not; its message is for the person who signs in. */
export class Refused extends Error {}

/**
 * Turns a token into this browser's session.
 *
 * @throws Refused when the edge does not take the token
 */
export async function signIn(token: string): Promise<SessionInfo> {
  const response = await ask('POST', { token: token.trim() });
  return session.parse(await answerOf(response));
}

/** @returns undefined when nobody is */
export async function whoIsSignedIn(): Promise<SessionInfo | undefined> {
  const response = await ask('GET');
  return response.status === 401 ? undefined : session.parse(await answerOf(response));
}

export async function signOut(): Promise<void> {
  const response = await ask('DELETE');
  if (!response.ok && response.status !== 401) await answerOf(response);
}

const ask = (method: string, body?: object): Promise<Response> =>
  fetch(PATH, {
    method,
    signal: AbortSignal.timeout(DEADLINE_MS),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });

async function answerOf(response: Response): Promise<unknown> {
  if (response.ok) return response.json();
  const why = problem.safeParse(await response.json().catch(() => undefined)).data;
  throw new Refused(why?.detail ?? `the edge answered ${response.status}`);
}
