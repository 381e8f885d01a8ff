import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type ChannelStanding, channelStanding, problem } from '@clawdbot/protocol';
import type { Config } from '../config.ts';
import { loadIdentity, signChannelToken } from '../identity.ts';
import { assertPortFree } from '../port.ts';
import { DATABASE_FILE, restoreDatabase } from '../store/index.ts';
import { alone } from './alone.ts';
import { show } from './desk.ts';
import { CliError, type Io } from './io.ts';
import { accessHeaders, configOf, inSentences } from './vps.ts';

const TIMEOUT_MS = 10_000;

/**
 * Puts a backup in the place of the database of this machine's orchestrator, which must be stopped. The edge must
 * be up: only it knows the last generation, without which it would refuse the restored process as an old one.
 */
export async function restore(io: Io, file: string, json: boolean): Promise<void> {
  const config = await configOf(io);
  const { dataDir, orchestratorId } = config;
  const backup = resolve(io.cwd, file);
  await refuseRunning(config);
  const { generation, control } = await askEdge(config, io);
  const put = async () =>
    restoreDatabase({
      dataDir,
      orchestratorId,
      backup,
      generation,
      ...(control.peerLogId === undefined ? {} : { peerLogId: control.peerLogId }),
      newLogId: () => `log_${randomUUID()}`,
      now: io.now,
    });
  const restored = await inSentences(() => alone(join(dataDir, DATABASE_FILE), put));
  show({ io, json }, { restored: backup, orchestratorId, generation: generation + 1, ...restored }, () =>
    [
      `restored ${orchestratorId} from ${backup}`,
      ...restored.aside.map((path) => `kept what was there: ${path}`),
      `next: start the orchestrator; as generation ${generation + 1} it hears from the edge which commands have ended since the backup, and then runs the others`,
    ].join('\n'),
  );
}

/** It listens on PORT before it opens its database. */
async function refuseRunning({ port, orchestratorId }: Config): Promise<void> {
  try {
    await assertPortFree(port);
  } catch (error) {
    const message = `something listens on PORT ${port}: stop the orchestrator ${orchestratorId} first (docker compose stop, systemctl stop, in the sandbox "npm run sandbox -- stop orchestrator")`;
    throw new CliError(message, { cause: error });
  }
}

async function askEdge(config: Config, io: Io): Promise<ChannelStanding> {
  const { edgeUrl } = config;
  const response = await io
    .fetcher(`${edgeUrl}/channel/state`, {
      headers: headersOf(config, io),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    .catch((error: unknown) => {
      const message = `${edgeUrl} does not answer, and only the edge knows the last generation: nothing was changed; try again when it is up`;
      throw new CliError(message, { cause: error });
    });
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    const said = problem.safeParse(answer).data?.detail ?? `it answered ${response.status}`;
    throw new CliError(`the edge does not say the last generation: ${said}; nothing was changed`);
  }
  const standing = channelStanding.safeParse(answer);
  if (standing.success) return standing.data;
  throw new CliError('the edge answered in a way this clawctl does not know: upgrade one of them', {
    cause: standing.error,
  });
}

/** As the orchestrator itself dials: who can read its key is the operator of this machine. */
function headersOf(config: Config, io: Io): Record<string, string> {
  const { orchestratorId, keyFile } = config;
  const request = { orchestratorId, lane: 0, now: io.now(), jti: io.newId() };
  const token = signChannelToken(loadIdentity(keyFile), request);
  return { authorization: `Bearer ${token}`, ...accessHeaders(config) };
}
