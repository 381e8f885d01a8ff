import { readFileSync } from 'node:fs';

/** Of /proc/<pid>/stat: USER_HZ, which Linux fixes at 100 towards programs (proc_pid_stat(5), sysconf(3)). */
const MS_PER_TICK = 10;

/** The CPU time that a process has used, in user and kernel; NaN where there is no /proc to say it. */
export function cpuMsOf(pid: number): number {
  try {
    return ticksIn(readFileSync(`/proc/${pid}/stat`, 'latin1')) * MS_PER_TICK;
  } catch {
    return Number.NaN; // Not Linux, or the process has ended: then the errors say so.
  }
}

/** Fields 14 and 15, utime and stime. The second field is the program's name, which may hold spaces and brackets. */
export function ticksIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
