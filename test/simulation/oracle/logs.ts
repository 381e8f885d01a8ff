import type { Evidence, Row } from './evidence.ts';

const LOGS = `SELECT log, direction, last, acked FROM log_state`;
const WAITING = `SELECT COUNT(*) AS n FROM log_inbox WHERE state = 'pending'`;

/** Each side has all that the other wrote, and nothing waits. */
export function judgeLogs({ edge, orchestrator }: Pick<Evidence, 'edge' | 'orchestrator'>): string[] {
  const [ours, theirs] = [edge.storage.read(LOGS), orchestrator.read(LOGS)];
  return [
    ...untaken('edge', ours, theirs),
    ...untaken('VPS', theirs, ours),
    ...waiting('edge', edge.storage.read(WAITING)),
    ...waiting('VPS', orchestrator.read(WAITING)),
  ];
}

const waiting = (side: string, [row]: Row[]): string[] =>
  row?.['n'] === 0 ? [] : [`${row?.['n']} entries wait on the ${side}`];

function untaken(writer: string, written: Row[], taken: Row[]): string[] {
  return written.flatMap(({ log, direction, last }) => {
    const peer = taken.find((row) => row['log'] === log && row['direction'] === 'in');
    if (direction !== 'out' || last === 0 || peer?.['acked'] === last) return [];
    return [`the ${writer} wrote ${last} entries of ${log}, the other side has ${peer?.['acked'] ?? 0}`];
  });
}
