import { Failure } from '@clawdbot/protocol';
import type { Served } from './api.ts';
import { tellReplaced } from './drift.ts';
import { checkOwner } from './owner.ts';
import { bodyOf } from './plan.ts';
import type { Scope } from './scope.ts';
import { accepted, type Deployment, isFirst } from './state.ts';
import { uploadForm } from './upload.ts';

/** Finds out who serves, and gets what the version is made of: all that can be refused is refused here. */
export async function begin(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { api, plan, context, records, isRepeat } = scope;
  const { name, commandId, rollout } = plan;
  const { signal } = context;
  // An earlier run, or an earlier database, may have uploaded it: then nothing is needed any more.
  const mine = isRepeat ? await api.tagged(name, commandId, signal) : undefined;
  const [served] = await Promise.all([
    api.deployments(name, signal),
    mine === undefined ? scope.material() : undefined,
  ]);
  if (served !== undefined && mine === undefined) await checkOwner(scope);
  const before = trafficBefore(served ?? [], mine);
  if (rollout.watch !== undefined && before.length > 1) throw inTheMiddle(name);
  const said = () => {
    if (mine === undefined) tellReplaced(scope, served);
  };
  return records.advance(deployment, 'uploading', { before: [...before] }, said);
}

const trafficBefore = (served: readonly Served[], mine: string | undefined): Served['traffic'] =>
  served.find(({ traffic }) => traffic.every(({ versionId }) => versionId !== mine))?.traffic ?? [];

const inTheMiddle = (name: string): Failure =>
  new Failure(
    'conflict',
    `${name} is in the middle of a rollout that was begun elsewhere: end it or roll it back first ("clawctl rollback ${name}")`,
  );

const overtaken = (name: string): string =>
  `somebody else has made ${name} at the same moment, who has it: choose another name`;

/** Uploads the version, unless an earlier run did. A Worker's first version serves at once. */
export async function upload(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { api, plan, context, records, isRepeat, now } = scope;
  const { name, commandId: tag, rollout } = plan;
  const { signal } = context;
  const found = isRepeat ? await api.tagged(name, tag, signal) : undefined;
  const said = (versionId: string) => () => context.progress('uploaded', `version ${versionId}`);
  const next = rollout.watch === undefined ? 'shifting' : 'testing';
  if (found !== undefined)
    return records.advance(
      deployment,
      isFirst(deployment) ? 'shifting' : next,
      { versionId: found, stage: isFirst(deployment) ? rollout.stages.length - 1 : 0 },
      said(found),
    );
  const material = await scope.material();
  const form = (): FormData => uploadForm(bodyOf(plan), material, { isFirst: isFirst(deployment) });
  if (!isFirst(deployment)) {
    const versionId = await api.addVersion({ name, tag, form }, context);
    return records.advance(deployment, next, { versionId, stage: 0 }, said(versionId));
  }
  const { deploymentId, traffic, before } = await api.create({ name, tag, form }, context);
  const versionId = traffic[0]?.versionId ?? '';
  if (before.length > 0) {
    const why = { end: 'failed', code: 'conflict', message: overtaken(name) } as const;
    const known = { versionId, deploymentId, before: [...before], why };
    return records.advance(deployment, 'undoing', known, () => context.progress('undoing', why.message));
  }
  const receipts = accepted(deployment, { versionId, deploymentId, at: now() });
  const stage = rollout.stages.length - 1;
  const known = { versionId, deploymentId, stage, percentage: 100, receipts };
  return records.advance(deployment, 'publishing', known, said(versionId));
}
