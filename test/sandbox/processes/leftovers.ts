import { execFileSync } from 'node:child_process';

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return ''; // ps exits with 1 when there is no such process.
  }
}

/**
 * Ends what a supervisor that was killed has left running: two workerds on one folder would ruin its databases,
 * and its ports would stay taken. A pid may be somebody else's by now, so the process must also name one of
 * `marks` in its command. @returns the parts that were ended
 */
export function endLeftovers(pids: Readonly<Record<string, number>>, marks: readonly string[]): string[] {
  return Object.entries(pids).flatMap(([part, pid]) => {
    const command = commandOf(pid);
    if (!marks.some((mark) => command.includes(mark))) return [];
    process.kill(pid, 'SIGKILL');
    return [part];
  });
}
