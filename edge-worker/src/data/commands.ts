import { type CommandSummary, commandError, commandState, commandType } from '@clawdbot/protocol';
import type { CommandFilter } from '@clawdbot/protocol/routes';
import { type Page, pageOf, parseTimeCursor, timeCursor } from './cursor.ts';
import { queried } from './query.ts';

interface Row {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly site_id: string;
  readonly orchestrator_id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly created_by: string;
  readonly error: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly expires_at: number | null;
}

/** One organisation's commands as D1 lists them; the objects know more, and know it sooner. */
export async function listCommands(
  db: D1Database,
  orgId: string,
  filter: CommandFilter,
): Promise<Page<CommandSummary>> {
  const where = ['org_id = ?'];
  const params: (string | number)[] = [orgId];
  for (const [column, value] of [
    ['site_id', filter.site],
    ['state', filter.state],
    ['type', filter.type],
  ]) {
    if (value === undefined) continue;
    where.push(`${column} = ?`);
    params.push(value);
  }
  if (filter.after !== undefined) {
    const { at, id } = parseTimeCursor(filter.after);
    where.push('(created_at, id) < (?, ?)');
    params.push(at, id);
  }
  const { results } = await queried(
    db
      .prepare(
        `SELECT * FROM orc_commands WHERE ${where.join(' AND ')} ORDER BY created_at DESC, id DESC LIMIT ?`,
      )
      .bind(...params, filter.limit + 1)
      .all<Row>(),
  );
  return pageOf(results.map(summaryOf), filter.limit, ({ createdAt, id }) =>
    timeCursor({ at: createdAt, id }),
  );
}

function summaryOf(row: Row): CommandSummary {
  return {
    id: row.id,
    type: commandType.parse(row.type),
    subject: row.subject,
    siteId: row.site_id,
    orchestratorId: row.orchestrator_id,
    state: commandState.parse(row.state),
    ...(row.reason === null ? {} : { reason: row.reason }),
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.error === null ? {} : { error: commandError.parse(JSON.parse(row.error)) }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
  };
}
