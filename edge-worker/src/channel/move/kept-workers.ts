import type { Facts } from '../facts.ts';
import type { KeptWorker } from './rpc.ts';

/**
 * A site's Workers as its orchestrator, which may be gone, has told of them last: in its status, or in the end of a
 * deployment, which comes at once while a status may come later. One in a dispatch namespace cannot be taken over, since it
 * has neither versions nor an address.
 */
export function keptWorkers(
  { state: { status }, deployments }: Pick<Facts, 'state' | 'deployments'>,
  siteId: string,
): KeptWorker[] {
  const newer = deployments.since(siteId, status?.at ?? 0);
  const names = new Set(newer.map(({ name }) => name));
  const known = (status?.workers ?? []).flatMap(({ name, versionId, lookedAt, siteId: owner }) =>
    owner === siteId && versionId !== undefined && !names.has(name) ? [{ name, versionId, lookedAt }] : [],
  );
  return [...known, ...newer].filter(({ name }) => !name.includes('/'));
}
