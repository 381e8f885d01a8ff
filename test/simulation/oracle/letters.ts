import type { Evidence, Row } from './evidence.ts';

const DEAD = `SELECT log, log_id, seq, body FROM log_inbox WHERE state = 'dead'`;

/** What could not be read is kept as a dead letter, unless somebody dropped it; the edge lists those of the VPS. */
export function judgeLetters({ edge, orchestrator, maker, operators, losses }: Evidence): string[] {
  const kept = edge.storage.read(DEAD);
  const bodies = new Set(kept.map(({ body }) => body));
  const lost = maker.unreadable.filter((body) => !bodies.has(body) && !operators.dropped.has(body));
  const listed = new Set(edge.storage.read(`SELECT log, log_id, seq FROM dead_letters`).map(nameOf));
  const there = new Set(orchestrator.read(DEAD).map(nameOf));
  return [
    ...(losses.any ? [] : lost.map((body) => `the edge buried ${body} without a letter`)),
    ...[...there]
      .filter((name) => !listed.has(name))
      .map((name) => `the edge does not list the VPS's letter ${name}`),
    ...[...listed]
      .filter((name) => !there.has(name))
      .map((name) => `the edge lists ${name}, which the VPS has not`),
  ];
}

const nameOf = (row: Row): string => `${row['log']} ${row['log_id']} ${row['seq']}`;
