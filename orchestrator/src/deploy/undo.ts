import { Failure } from '@clawdbot/protocol';
import type { Served } from './api.ts';
import type { Scope } from './scope.ts';
import { type Deployment, isFirst } from './state.ts';
import { isOwn } from './traffic.ts';
import { messageOf } from './upload.ts';

/** A rollback is not given up because Cloudflare does not answer for a while: an hour, beside what each call is repeated. */
const ATTEMPTS_MAX = 60;
const PAUSE_MS = 60_000;

/** Brings back what was before, and ends the deployment. What is done is safe to repeat. */
export async function undo(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context, wait } = scope;
  const { why = { end: 'failed', code: 'internal', message: 'no reason was kept' } } = deployment.facts;
  for (let attempt = 1; ; attempt++) {
    try {
      const what = await undone(deployment, scope);
      const ended = records.ended(deployment, { ...why, message: `${why.message}; ${what}` });
      context.progress('undone', what);
      return ended;
    } catch (error) {
      const later =
        error instanceof Failure && error.code === 'cloudflare_unavailable' && attempt < ATTEMPTS_MAX;
      if (!later) throw error;
      if (attempt === 1) context.progress('undoing waits', error.message);
      await context.aside(() => wait(PAUSE_MS, context.stop));
    }
  }
}

/** @returns what was done, as the end of a sentence */
async function undone(deployment: Deployment, scope: Scope): Promise<string> {
  const { api, plan, context, isRepeat } = scope;
  const { stop } = context;
  const { name, commandId } = plan;
  const served = (await api.deployments(name, stop)) ?? [];
  const own =
    deployment.facts.versionId ??
    (served.length > 0 && plan.source.kind === 'upload'
      ? await api.tagged(name, commandId, stop)
      : undefined);
  if (served.length === 0 && isFirst(deployment) && isRepeat) return 'it was taken away again';
  if (own === undefined) return 'nothing of it is left';
  if (isFirst(deployment)) return removed(served, own, scope);
  const what = await restored(deployment, served, own, scope);
  if (deployment.facts.percentage !== undefined || plan.source.kind !== 'upload') return what;
  // Nobody was served by it: it goes as if it had never been.
  const gone = await api.removeVersion(name, own, stop).then(
    () => true,
    () => false,
  );
  return gone ? 'nothing of it is left' : `its version ${own} stays, and serves nobody`;
}

/** The Worker was made by this deployment. */
async function removed(
  served: readonly Served[],
  own: string,
  { api, plan, context }: Scope,
): Promise<string> {
  const isOurs = served.every(({ traffic }) => traffic.every(({ versionId }) => versionId === own));
  if (!isOurs) return 'somebody else has deployed it since, and that was left as it is';
  await api.remove(plan.name, context.stop);
  return 'the Worker, which was new, was taken away again';
}

async function restored(
  deployment: Deployment,
  [current]: readonly Served[],
  own: string,
  { api, plan, context: { stop }, records }: Scope,
): Promise<string> {
  const { before = [] } = deployment.facts;
  const known = { ...deployment, facts: { ...deployment.facts, versionId: own } };
  if (current === undefined || !isOwn(current.traffic, known, plan.rollout.stages))
    return 'what serves was left as it is';
  await api.serve(plan.name, before, { message: messageOf(plan), force: true }, { signal: stop, stop });
  const body = plan.source.kind === 'upload' ? plan.source.body : undefined;
  const routes = records.worker(plan.name)?.routes;
  if (body?.routes !== undefined && routes !== undefined && routes !== JSON.stringify(body.routes))
    await api.route(plan.name, JSON.parse(routes), { signal: stop, stop });
  const shares = before.map(({ versionId, percentage }) => `${percentage} % to ${versionId}`);
  return `rolled back: ${shares.join(', ')}`;
}
