import { ORG } from '../orchestrator.ts';
import type { Evidence } from './evidence.ts';
import { judgeLogs } from './logs.ts';

/** Has everything come to its end, on both sides and in D1? Whether it is the right end is another question. */
export function isQuiet({ edge, orchestrator, operators }: Evidence): boolean {
  if (!operators.settled) return false;
  const [open] = edge.storage.read(
    `SELECT EXISTS (SELECT 1 FROM commands WHERE state IN ('queued', 'delivered', 'running'))
       OR EXISTS (SELECT 1 FROM commands WHERE version > projected)
       OR EXISTS (SELECT 1 FROM dead_letters WHERE state <> 'dead')
       OR coalesce((SELECT MAX(position) FROM events), 0) >
          coalesce((SELECT value FROM meta WHERE key = 'events_projected'), 0) AS is_open,
       coalesce((SELECT value FROM meta WHERE key = 'shared_position'), 0) AS shared`,
  );
  if (open?.['is_open'] !== 0 || judgeLogs({ edge, orchestrator }).length > 0) return false;
  const [rows] = edge.d1.db.rows(`SELECT MAX(position) AS last FROM orc_sync_outbox WHERE org_id = ?`, ORG);
  return Number(open['shared']) >= Number(rows?.['last'] ?? 0);
}
