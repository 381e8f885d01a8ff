import { type AdoptWorker, type DeployResult, Failure } from '@clawdbot/protocol';
import type { CommandContext } from '../commands/handler.ts';
import { checkOwnAtCloudflare, checkOwnHere } from './owner.ts';
import { prove } from './proof.ts';
import type { EngineParts } from './scope.ts';

/**
 * Takes a Worker that is at Cloudflare under management, as it is: nothing is changed there, so that a run that was
 * cut off is simply begun anew. A Worker of this site that was changed outside is taken with the change.
 * Throws `Failure`: `not_found`, or `conflict` when it is another site's or in the middle of a rollout.
 */
export async function adopt(
  { name, siteId, commandId }: AdoptWorker,
  context: CommandContext,
  parts: EngineParts,
): Promise<DeployResult> {
  const { api, records, now } = parts;
  const { signal } = context;
  const known = records.find(commandId)?.facts.result;
  if (known !== undefined) return known;
  const intended = { at: now() };
  checkOwnHere({ name, siteId }, records);
  const [current] = (await api.deployments(name, signal)) ?? [];
  if (current === undefined) throw absent(name);
  if (records.worker(name)?.isDeployed !== true) await checkOwnAtCloudflare({ name, siteId }, api, signal);
  const { deploymentId, traffic } = current;
  const [only, another] = traffic;
  if (only === undefined || another !== undefined) throw unsettled(name);
  const { versionId } = only;
  const accepted = { at: now(), versionId, deploymentId };
  const url = (await api.addresses.address(name, signal)) ?? '';
  context.progress('found', `version ${versionId}`);
  const proof = url === '' ? 'accepted' : await prove({ name, versionId, url }, signal, parts);
  const seen = proof === 'accepted' ? {} : { [proof]: { at: now() } };
  const receipts = { intended, accepted, ...seen };
  const result = { deploymentId, versionId, url, proof, receipts };
  records.adopted({ commandId, siteId, name }, result, () => context.progress('checked', proof));
  return result;
}

const absent = (name: string): Failure =>
  new Failure(
    'not_found',
    `there is no Worker called ${name} in the account: look its name up in Cloudflare's dashboard, or deploy one`,
  );

const unsettled = (name: string): Failure =>
  new Failure(
    'conflict',
    `${name} is in the middle of a rollout that was begun elsewhere: give one version all traffic first ("wrangler versions deploy --name ${name}")`,
  );
