import { problem } from '@clawdbot/protocol';
import type { z } from 'zod';

/** Written out: the door of the routes would bring the OpenAPI library into the page. */
const PREFIX = '/api/v1';
/** A live status may take the edge ten seconds to give up. */
const DEADLINE_MS = 15_000;

/** The edge's own words about why not; its message is for whoever reads the page. */
export class Refused extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Asks the API on behalf of who is signed in. Rejects when nobody answers in time. */
export const ask = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(PREFIX + path, {
    method,
    signal: AbortSignal.timeout(DEADLINE_MS),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });

/** @throws Refused when the edge did not do it */
export async function answerOf(response: Response): Promise<unknown> {
  if (response.ok) return response.json();
  const why = problem.safeParse(await response.json().catch(() => undefined)).data;
  throw new Refused(why?.detail ?? `the edge answered ${response.status}`, response.status);
}

/** @throws Refused; an Error when nobody answers, or with what this page cannot read */
export const read = async <T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>> =>
  schema.parse(await answerOf(await ask('GET', path)));
