import { Failure } from '@clawdbot/protocol';
import type { Served } from './api.ts';
import { tellReplaced } from './drift.ts';
import { checkOwner } from './owner.ts';
import type { Scope } from './scope.ts';
import type { Deployment, Traffic } from './state.ts';
import { messageOf } from './upload.ts';

/** Finds the version that a rollback goes to. */
export async function locate(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context } = scope;
  const { versionId, before } = await earlierVersion(scope);
  const said = () => context.progress('found', `version ${versionId}`);
  return records.advance(deployment, 'shifting', { versionId, before: [...before], stage: 0 }, said);
}

/** The version that a rollback goes to, and who serves now. Throws `Failure` with the reason why it cannot be done. */
async function earlierVersion(scope: Scope): Promise<{ versionId: string; before: Traffic }> {
  const { api, plan, context } = scope;
  if (plan.source.kind !== 'earlier') throw new TypeError('an upload has a version of its own');
  const { name, source } = plan;
  const served = await api.deployments(name, context.signal);
  const [current] = served ?? [];
  if (served === undefined || current === undefined)
    throw refused(
      `there is no Worker called ${name} in the account of this site’s orchestrator: is it another site’s? Name that one (--site)`,
    );
  await checkOwner(scope);
  const done = doneBefore(served, scope);
  if (done !== undefined) return done;
  const versionId = source.body.versionId ?? lastWhole(served, name);
  const isServing = current.traffic.some(
    (share) => share.versionId === versionId && share.percentage === 100,
  );
  if (isServing) throw refused(`version ${versionId} of ${name} serves everybody already`);
  await checkDeployable(versionId, current.traffic, scope);
  tellReplaced(scope, served);
  return { versionId, before: current.traffic };
}

/** An earlier run, of which this database does not know, may have done it: doing it again would undo it. */
function doneBefore(
  [current, previous]: readonly Served[],
  { plan, isRepeat }: Scope,
): { versionId: string; before: Traffic } | undefined {
  const versionId = current?.traffic[0]?.versionId;
  if (!isRepeat || current?.message !== messageOf(plan) || versionId === undefined) return undefined;
  return { versionId, before: previous?.traffic ?? current.traffic };
}

/** The version that served everybody last, before what is now. */
function lastWhole([current, ...older]: readonly Served[], name: string): string {
  const now = new Set(current?.traffic.map(({ versionId }) => versionId));
  const largest = current?.traffic.toSorted((a, b) => b.percentage - a.percentage)[0];
  // In the middle of a rollout what still serves most is what served before.
  if (now.size > 1 && largest !== undefined) return largest.versionId;
  const found = older.find(({ traffic }) => traffic.length === 1 && !now.has(traffic[0]?.versionId ?? ''));
  const versionId = found?.traffic[0]?.versionId;
  if (versionId !== undefined) return versionId;
  throw refused(`${name} has no earlier version that has served everybody: name one of its versions (--to)`);
}

/** Cloudflare keeps more versions than it deploys, and none goes back behind a migration of its objects. */
async function checkDeployable(
  versionId: string,
  now: Traffic,
  { api, plan, context }: Scope,
): Promise<void> {
  const { name } = plan;
  const { signal } = context;
  const deployable = await api.versions(name, signal);
  if (!deployable.some(({ id }) => id === versionId))
    throw refused(
      `version ${versionId} is none of the last ${deployable.length} of ${name}, which is as far back as Cloudflare goes`,
    );
  const serving = now[0]?.versionId ?? versionId;
  const [then, today] = await Promise.all([
    api.migrationTag(name, versionId, signal),
    api.migrationTag(name, serving, signal),
  ]);
  if (then !== today)
    throw refused(
      `between version ${versionId} and what serves lies a migration of Durable Objects (${then ?? 'none'} → ${today ?? 'none'}), which Cloudflare does not take back: deploy a new version instead`,
    );
}

const refused = (message: string): Failure => new Failure('conflict', message);
