import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PartSpec } from '../sandbox/processes/part.ts';

const FILLER = 'filler';
/** Room for the database and its WAL, and little more. */
const SIZE = '24m';

/**
 * Runs a part with its DATA_DIR on a small disk of its own: a tmpfs in a mount namespace, which ends with the
 * process and is nobody else's to see. `unshare` is util-linux's; with a user namespace it needs no root.
 */
export function onSmallDisk(spec: PartSpec): PartSpec {
  const mount = `mount -t tmpfs -o size=${SIZE} none "$DATA_DIR" && exec "$0" "$@"`;
  return {
    ...spec,
    command: 'unshare',
    args: ['--mount', '--map-root-user', 'sh', '-c', mount, spec.command, ...spec.args],
  };
}

/** The small disk of a process, as it is seen from outside its namespace (proc(5), /proc/pid/root). */
export class SmallDisk {
  /** Where the process's DATA_DIR is found from here. */
  readonly dir: string;

  constructor(pid: number, dataDir: string) {
    this.dir = join(`/proc/${pid}/root`, dataDir);
  }

  /** Leaves not one block. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.dir);
    writeFileSync(join(this.dir, FILLER), Buffer.alloc(bavail * bsize));
  }

  free(): void {
    rmSync(join(this.dir, FILLER));
  }
}
