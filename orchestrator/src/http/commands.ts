import { commandType, type Sql, timeMs } from '@clawdbot/protocol';
import { z } from 'zod';

/** A command as this orchestrator has it; the edge knows its whole history. */
const localCommand = z.object({
  id: z.string(),
  type: commandType,
  siteId: z.string(),
  origin: z.enum(['edge', 'local']),
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'expired', 'cancelled']),
  attempts: z.int(),
  createdAt: timeMs,
  startedAt: timeMs.nullable(),
  endedAt: timeMs.nullable(),
});
export type LocalCommand = z.infer<typeof localCommand>;

/** The newest commands first. */
export const listCommands = (sql: Sql, limit: number): LocalCommand[] =>
  sql
    .run(
      `SELECT id, type, site_id AS siteId, origin, COALESCE(outcome ->> 'state', state) AS state, attempts,
         created_at AS createdAt, started_at AS startedAt, ended_at AS endedAt
       FROM commands ORDER BY position DESC LIMIT ?`,
      limit,
    )
    .map((row) => localCommand.parse(row));
