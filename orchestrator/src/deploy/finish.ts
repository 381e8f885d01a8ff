import { keptOf } from './addresses.ts';
import { prove } from './proof.ts';
import type { Scope } from './scope.ts';
import { type Deployment, versionOf } from './state.ts';

/** Looks how far the version can be seen, and ends the deployment with that. */
export async function finish(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context, plan, api, now } = scope;
  const { facts } = deployment;
  const versionId = versionOf(deployment);
  const { signal } = context;
  const proofAt = async (at: string) =>
    at === '' ? 'accepted' : prove({ name: plan.name, versionId, url: at }, signal, scope);
  let url = facts.url ?? '';
  let proof = await proofAt(url);
  // The address may be another one than was remembered.
  const published =
    proof === 'accepted' && url !== '' ? await api.addresses.publish(plan.name, context) : url;
  if (published !== url) {
    url = published;
    proof = await proofAt(url);
  }
  const at = now();
  const receipts = {
    ...facts.receipts,
    ...(proof === 'observed' ? { observed: facts.receipts.observed ?? { at } } : {}),
    ...(proof === 'reachable' ? { reachable: { at } } : {}),
  };
  const result = { deploymentId: facts.deploymentId ?? '', versionId, url, proof, receipts };
  const known = { ...facts, url, receipts, result };
  return records.succeeded(deployment, keptOf(scope), known, () => context.progress('checked', proof));
}
