import type { Evidence } from './evidence.ts';

/** Each event that the VPS has is at the edge and in D1, once, in its order; and none that a restore took is gone there. */
export function judgeEvents({ edge, orchestrator, losses }: Evidence): string[] {
  const made = orchestrator.read(`SELECT id FROM events ORDER BY rowid`).map(idOf);
  const taken = edge.storage.read(`SELECT id FROM events ORDER BY position`).map(idOf);
  const shown = edge.d1.db.rows(`SELECT id FROM orc_events ORDER BY position`).map(idOf);
  const known = new Set(made);
  return [
    ...missing('VPS made and the edge lacks', made, taken),
    ...missing('VPS made and D1 lacks', made, shown),
    ...missing('edge had before a restore and D1 lacks', losses.events, shown),
    ...(losses.any ? [] : missing('edge has and the VPS never made', taken, made)),
    ...disorder(
      'at the edge',
      made,
      taken.filter((id) => known.has(id)),
      losses.edge,
    ),
    ...disorder(
      'in D1',
      made,
      shown.filter((id) => known.has(id)),
      losses.edge,
    ),
  ];
}

const idOf = ({ id }: { id?: unknown }): string => String(id);

function missing(what: string, expected: readonly string[], found: readonly string[]): string[] {
  const there = new Set(found);
  const lost = expected.filter((id) => !there.has(id));
  return lost.length === 0 ? [] : [`${lost.length} events that the ${what}: ${lost.slice(0, 3).join(', ')}`];
}

/** An object that was restored has some of them again, behind others that D1 has already. */
function disorder(
  where: string,
  made: readonly string[],
  found: readonly string[],
  lenient: boolean,
): string[] {
  const there = new Set(found);
  const expected = made.filter((id) => there.has(id));
  if (found.length !== there.size) return [`an event is twice ${where}`];
  if (lenient || expected.every((id, index) => found[index] === id)) return [];
  return [`events are out of order ${where}`];
}
