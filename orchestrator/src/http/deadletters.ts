import { Failure, logId, logName } from '@clawdbot/protocol';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { DeadLetter, DeadLetters, LetterKey } from '../inbox/index.ts';
import type { Logger } from '../log.ts';
import type { AppEnv } from './auth.ts';
import { limit, queryOf } from './query.ts';

export interface DeadLetterSources {
  readonly letters: Pick<DeadLetters, 'list' | 'replay' | 'drop'>;
  readonly log: Logger;
}

const letterKey = z.object({ log: logName, logId, seq: z.coerce.number<string>().int().min(1) });

const cursorOf = ({ log, logId, seq }: LetterKey): string => `${log}.${logId}.${seq}`;
const cursor = z.string().transform((text, context): LetterKey => {
  const [, log, id, seq] = /^(\w+)\.([\w-]+)\.(\d+)$/.exec(text) ?? [];
  const key = letterKey.safeParse({ log, logId: id, seq });
  if (key.success) return key.data;
  context.addIssue({ code: 'custom', message: 'expected the `next` of an earlier page' });
  return z.NEVER;
});
const lettersQuery = z.strictObject({ after: cursor.optional(), limit });

/**
 * The edge's entries that could not be handled here:
 *
 * - `/`: `{ log, logId, seq, at, attempts, failedAt, error, body }` in the order of the entries;
 * - `POST /:log/:logId/:seq/replay`: handled once more; `…/drop`: given up. 404 when it is no dead letter.
 */
export function createDeadLetterRoutes({ letters, log }: DeadLetterSources): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get('/', (c) => {
    const query = queryOf(c, lettersQuery);
    return c.json(page(letters.list(query.limit + 1, query.after), query.limit));
  });
  const settle = (act: 'replay' | 'drop') => (c: Context<AppEnv>) => {
    const key = letterKey.safeParse(c.req.param());
    if (!key.success || !letters[act](key.data)) {
      throw new Failure('not_found', `there is no such dead letter: see GET /internal/deadletters`);
    }
    log.info(`an operator asked for the ${act} of a dead letter`, { ...key.data, actor: c.get('actor') });
    return c.json(key.data);
  };
  app.post('/:log/:logId/:seq/replay', settle('replay'));
  app.post('/:log/:logId/:seq/drop', settle('drop'));
  return app;
}

function page(found: readonly DeadLetter[], size: number): { items: DeadLetter[]; next: string | null } {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, next: found.length > size && last !== undefined ? cursorOf(last) : null };
}
