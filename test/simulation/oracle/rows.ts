import { ORG } from '../orchestrator.ts';
import type { Evidence, Row } from './evidence.ts';

/** The VPS's copy of the shared tables is what D1's triggers say of its organisation, but for what somebody gave up. */
export function judgeRows({ edge, orchestrator, operators }: Evidence): string[] {
  const theirs = new Map(
    orchestrator
      .read(`SELECT table_name, key, position, row FROM shared_rows`)
      .map((row) => [nameOf(row), row]),
  );
  const dropped = new Set([...operators.dropped].map(changeOf));
  return edge.d1.db
    .rows(`SELECT table_name, key, position, row FROM orc_sync_outbox WHERE org_id = ?`, ORG)
    .flatMap((row) => {
      const copy = theirs.get(nameOf(row));
      const same =
        copy !== undefined && copy['position'] === row['position'] && contentOf(copy) === contentOf(row);
      const has = copy === undefined ? 'nothing' : `position ${copy['position']}`;
      return same || dropped.has(`${nameOf(row)} ${row['position']}`)
        ? []
        : [`${nameOf(row)} is at position ${row['position']} in D1, the VPS has ${has}`];
    });
}

const nameOf = (row: Row): string => `${row['table_name']} ${row['key']}`;

function changeOf(body: string): string {
  const { table, key, position } = JSON.parse(body);
  return `${table} ${key} ${position}`;
}

/** The same columns, whatever way they are written down. */
const contentOf = ({ row }: Row): string =>
  JSON.stringify(Object.entries(JSON.parse(String(row ?? '{}')) ?? {}).sort());
