import { Failure } from '@clawdbot/protocol';
import { bodyOf } from './plan.ts';
import type { Scope } from './scope.ts';
import type { Deployment } from './state.ts';
import { ownerTag, uploadForm } from './upload.ts';

/** A Worker in a dispatch namespace (Workers for Platforms): it has no versions, and no address of its own. */
interface Target {
  readonly namespace: string;
  readonly script: string;
}

function targetOf({ plan }: Scope): Target {
  const { name: script, dispatchNamespace: namespace } = bodyOf(plan);
  if (namespace === undefined) throw new TypeError('only for a dispatch namespace');
  return { namespace, script };
}

/** All that can be refused is refused here. */
export async function beginInNamespace(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { api, plan, context, records } = scope;
  const { namespace, script } = targetOf(scope);
  const { siteId } = plan;
  const [tags] = await Promise.all([
    api.tagsInNamespace(namespace, script, context.signal),
    scope.material(),
  ]);
  const isOurs = tags === undefined || tags.includes(ownerTag(siteId));
  if (!isOurs && bodyOf(plan).adopt !== true)
    throw new Failure('conflict', `the name ${script} is taken in ${namespace}: choose another one`);
  return records.advance(deployment, 'uploading', {}, () => {});
}

/** Puts it there, in the place of what was: the same command again puts the same there. */
export async function putInNamespace(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { api, plan, context, records, now } = scope;
  const { namespace, script } = targetOf(scope);
  const material = await scope.material();
  const form = (): FormData => uploadForm(bodyOf(plan), material, { tags: [ownerTag(plan.siteId)] });
  const versionId = await api.putInNamespace(namespace, script, form, context);
  const { commandId } = plan;
  const receipts = {
    ...deployment.facts.receipts,
    accepted: { at: now(), versionId, deploymentId: commandId },
  };
  const result = { deploymentId: commandId, versionId, url: '', proof: 'accepted' as const, receipts };
  const said = () => context.progress('uploaded', `${namespace}/${script}`);
  return records.succeeded(deployment, {}, { ...deployment.facts, receipts, result }, said);
}
