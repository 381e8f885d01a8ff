import { resolve } from 'node:path';
import { backupDatabase } from '../store/index.ts';
import { show } from './desk.ts';
import type { Io } from './io.ts';
import { configOf, inSentences } from './vps.ts';

/** Copies the database of the orchestrator on this machine, which may be running. */
export async function backup(io: Io, file: string, json: boolean): Promise<void> {
  const { dataDir, orchestratorId } = await configOf(io);
  const path = resolve(io.cwd, file);
  const bytes = await inSentences(() => backupDatabase(dataDir, path));
  show({ io, json }, { file: path, bytes }, () =>
    [
      `${path}: ${Math.ceil(bytes / 1_024)} KiB, checked, all of ${orchestratorId} as of now`,
      `next: keep it on another machine; "clawctl restore ${file}" puts it back`,
    ].join('\n'),
  );
}
