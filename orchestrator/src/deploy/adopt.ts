import { type AdoptWorker, type DeployResult, Failure } from '@clawdbot/protocol';
import type { CommandContext } from '../commands/handler.ts';
import type { Served } from './api.ts';
import { differenceOf } from './drift.ts';
import { checkOwnAtCloudflare, checkOwnHere } from './owner.ts';
import { prove } from './proof.ts';
import type { EngineParts } from './scope.ts';

/**
 * Takes a Worker that is at Cloudflare under management, as it is: nothing is changed there, so that a run that was
 * cut off is simply begun anew. A Worker of this site that was changed outside is taken with the change; not so one that
 * comes with a moved site: what was changed behind the back of the orchestrator before is shown as drift here, too.
 * Throws `Failure`: `not_found`, or `conflict` when it is another site's or in the middle of a rollout.
 */
export async function adopt(
  body: AdoptWorker,
  context: CommandContext,
  parts: EngineParts,
): Promise<DeployResult> {
  const { name, siteId, commandId, deployed } = body;
  const { api, records, now } = parts;
  const { signal } = context;
  const known = records.find(commandId)?.facts.result;
  if (known !== undefined) return known;
  const intended = { at: now() };
  checkOwnHere({ name, siteId }, records);
  const served = (await api.deployments(name, signal)) ?? [];
  if (deployed !== undefined) await checkThere(name, deployed.versionId, parts, signal);
  const [current] = served;
  if (current === undefined) throw absent(name);
  if (records.worker(name)?.isDeployed !== true) await checkOwnAtCloudflare({ name, siteId }, api, signal);
  const versionId = deployed?.versionId ?? onlyOne(current, name);
  const { deploymentId } = current;
  const accepted = { at: now(), versionId, deploymentId };
  const url = (await api.addresses.address(name, signal)) ?? '';
  context.progress('found', `version ${versionId}`);
  const drift = differenceOf({ versionId }, served);
  const isToBeSeen = url !== '' && drift === undefined;
  const proof = isToBeSeen ? await prove({ name, versionId, url }, signal, parts) : 'accepted';
  const seen = proof === 'accepted' ? {} : { [proof]: { at: now() } };
  const receipts = { intended, accepted, ...seen };
  const result = { deploymentId, versionId, url, proof, receipts };
  records.adopted({ commandId, siteId, name }, result, deployed?.lookedAt, () =>
    context.progress('checked', drift ?? proof),
  );
  if (drift !== undefined) records.checked({ name, siteId, versionId, drift: undefined }, drift);
  return result;
}

/** Another account may have a Worker of the same name. Throws `Failure('not_found')`. */
async function checkThere(
  name: string,
  versionId: string,
  { api }: EngineParts,
  signal: AbortSignal,
): Promise<void> {
  const versions = await api.versions(name, signal).catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'cloudflare_refused') return [];
    throw error;
  });
  if (!versions.some(({ id }) => id === versionId)) throw inAnotherAccount(name, versionId);
}

function onlyOne({ traffic: [only, another] }: Served, name: string): string {
  if (only === undefined || another !== undefined) throw unsettled(name);
  return only.versionId;
}

const absent = (name: string): Failure =>
  new Failure(
    'not_found',
    `there is no Worker called ${name} in the account: look its name up in Cloudflare's dashboard, or deploy one`,
  );

const inAnotherAccount = (name: string, versionId: string): Failure =>
  new Failure(
    'not_found',
    `the site's Worker ${name} (version ${versionId}) is not in this orchestrator's Cloudflare account: it serves on in the account of the orchestrator before, and nobody looks after it; give this orchestrator a token of that account and "clawctl adopt ${name}", or deploy it anew and delete it there`,
  );

const unsettled = (name: string): Failure =>
  new Failure(
    'conflict',
    `${name} is in the middle of a rollout that was begun elsewhere: give one version all traffic first ("wrangler versions deploy --name ${name}")`,
  );
