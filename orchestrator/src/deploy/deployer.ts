import { setTimeout as pause } from 'node:timers/promises';
import {
  type DeployResult,
  type DeployWorker,
  Failure,
  type Sql,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { CommandContext } from '../commands/handler.ts';
import type { CloudflareConfig } from '../config.ts';
import type { Events } from '../sync/index.ts';
import type { Api, Fetch } from './api.ts';
import { prove } from './proof.ts';
import { Records } from './record.ts';
import type { Patience } from './retry.ts';
import { type Module, unsupported, uploadForm } from './upload.ts';

export interface DeployerOptions extends Partial<Patience> {
  readonly sql: Sql;
  /** Absent: every deployment fails with `not_configured`. */
  readonly cloudflare: CloudflareConfig | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** `worker.vars` of the site's config. */
  readonly siteVars: (siteId: string) => Readonly<Record<string, string>>;
  /** Told of every deployment's end. */
  readonly events: Pick<Events, 'record'>;
  readonly fetcher?: Fetch;
}

/** Carries out `deploy_worker`, and knows what it has deployed. */
export interface Deployer {
  /**
   * Uploads the modules as a version, gives it all traffic, and looks whether it answers. With the same command
   * again it finds the version by its tag and goes on from there: one command makes one version at most. The
   * Worker's variables are those of the site's config as it runs now, and over them the command's own.
   * Throws `Failure`, with what Cloudflare said in its sentence.
   */
  deploy(body: DeployWorker, context: CommandContext): Promise<DeployResult>;
  workers(siteId?: string): WorkerStatus[];
}

const UNCONFIGURED =
  'this orchestrator has no Cloudflare token: set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID on the VPS';

interface Parts extends Patience {
  readonly records: Records;
  readonly fetcher: Fetch;
  readonly api: () => Promise<Api>;
}

export function createDeployer(options: DeployerOptions): Deployer {
  const { sql, cloudflare, now, siteVars, events, ...given } = options;
  const records = new Records(sql, now, events);
  const patience: Patience = {
    wait: given.wait ?? waitFor,
    random: given.random ?? Math.random,
  };
  const fetcher = given.fetcher ?? fetch;
  const parts: Parts = { ...patience, records, fetcher, api: () => connect(cloudflare, patience, fetcher) };
  return {
    deploy: (body, context) =>
      deploy({ ...body, vars: { ...siteVars(body.siteId), ...body.vars } }, context, parts),
    workers: (siteId) => records.workers(siteId),
  };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch((error: unknown) => {
    // The reason says who stopped it; the timer's own error does not.
    signal.throwIfAborted();
    throw error;
  });
}

/** The SDK takes half a second to load: the first deployment waits for it, not the start. */
async function connect(
  cloudflare: CloudflareConfig | undefined,
  patience: Patience,
  fetcher: Fetch,
): Promise<Api> {
  if (cloudflare === undefined) throw new Failure('not_configured', UNCONFIGURED);
  const { createApi } = await import('./api.ts');
  return createApi(cloudflare, patience, fetcher);
}

async function deploy(body: DeployWorker, context: CommandContext, parts: Parts): Promise<DeployResult> {
  const refusal = unsupported(body);
  if (refusal !== undefined) throw refusal;
  const api = await parts.api();
  const { versionId } = parts.records.intend(body, () => context.progress('validated'));
  try {
    return await carryOut(body, context, { ...parts, versionId, api: async () => api });
  } catch (error) {
    // A process that stops leaves the deployment open: the next one finds out how far it got, and goes on.
    if (!isStop(context.signal)) parts.records.failed(body, messageOf(error));
    throw error;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Aborted without a `Failure` as its reason: nobody has decided anything about this command. */
const isStop = ({ aborted, reason }: AbortSignal): boolean => aborted && !(reason instanceof Failure);

async function carryOut(
  body: DeployWorker,
  context: CommandContext,
  { records, versionId: known, ...parts }: Parts & { readonly versionId: string | undefined },
): Promise<DeployResult> {
  const { commandId, name } = body;
  const { signal } = context;
  const api = await parts.api();
  const versionId = known ?? (await upload(body, context, api));
  if (known === undefined) {
    records.uploaded(commandId, versionId, () => context.progress('uploaded', `version ${versionId}`));
  }
  const deploymentId = await api.serve(name, versionId, `clawdbot ${commandId}`, signal);
  const url = await api.publish(name, signal);
  records.deployed(body, { versionId, deploymentId, url }, () => context.progress('deployed', url));
  const proof = await prove(url, versionId, signal, parts);
  const result = { deploymentId, versionId, url, proof };
  records.succeeded(body, result, () => context.progress('checked', proof));
  return result;
}

/** The version of this command: the one that an earlier attempt has uploaded, or else a new one. */
async function upload(body: DeployWorker, context: CommandContext, api: Api): Promise<string> {
  const { name, commandId } = body;
  const found = await api.find(name, commandId, context.signal);
  if (found.script === 'present' && found.versionId !== undefined) return found.versionId;
  const modules = await pull(body, context);
  const form = (): FormData => uploadForm(body, modules);
  return found.script === 'present'
    ? api.addVersion(name, commandId, form, context.signal)
    : api.create(name, commandId, form, context.signal);
}

/** One after the other: together they are at most 10 MB, and the channel has customers' requests to carry. */
async function pull({ modules }: DeployWorker, context: CommandContext): Promise<Module[]> {
  const pulled: Module[] = [];
  for (const { path, sha256, bytes } of modules)
    pulled.push({ path, bytes: await context.blob({ sha256, bytes }) });
  return pulled;
}
