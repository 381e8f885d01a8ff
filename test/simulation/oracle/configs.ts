import { SITES } from '../load/operators.ts';
import type { Evidence, Row } from './evidence.ts';

/** The config that runs is the newest that succeeded, and an event tells of it. */
export function judgeConfigs(evidence: Evidence): string[] {
  return SITES.flatMap((site) => [...newest(evidence, site), ...told(evidence, site)]);
}

/**
 * When a side has lost its database the edge sends the config that is desired, whatever became of the edit: then
 * what runs is at least as new.
 */
function newest({ edge, orchestrator, losses }: Evidence, site: string): string[] {
  const [applied] = edge.storage.read(
    `SELECT MAX(generation) AS generation FROM commands
     WHERE type = 'update_config' AND site_id = ? AND state = 'succeeded'`,
    site,
  );
  const expected = Number(applied?.['generation'] ?? 0);
  const runs = running(orchestrator, site);
  if (runs === expected || (losses.any && (runs > expected || sameConfig(edge, site, runs, expected))))
    return [];
  return [`${site} runs generation ${runs}, the newest that succeeded is ${expected}`];
}

/** Who runs the same config under an older generation is not sent it again. */
function sameConfig(edge: Evidence['edge'], site: string, one: number, other: number): boolean {
  const digests = edge.storage.read(
    `SELECT digest FROM configs WHERE site_id = ? AND generation IN (?, ?)`,
    ...[site, one, other],
  );
  return digests.length === 2 && digests[0]?.['digest'] === digests[1]?.['digest'];
}

function told({ orchestrator }: Evidence, site: string): string[] {
  const runs = running(orchestrator, site);
  const [event] = orchestrator.read(
    `SELECT 1 FROM events WHERE type = 'config_change' AND site_id = ? AND data ->> 'generation' = ?
     AND data ->> 'status' = 'applied'`,
    site,
    runs,
  );
  return runs === 0 || event !== undefined ? [] : [`no event tells that ${site} runs generation ${runs}`];
}

function running(orchestrator: Evidence['orchestrator'], site: string): number {
  const [row]: Row[] = orchestrator.read(`SELECT generation FROM settings WHERE site_id = ?`, site);
  return Number(row?.['generation'] ?? 0);
}
