import { Failure } from '@clawdbot/protocol';
import { addressOf } from './addresses.ts';
import type { Served } from './api.ts';
import type { Plan } from './plan.ts';
import { checkHealth, type Health, probesOf } from './probe.ts';
import { Relayed } from './relayed.ts';
import type { Scope } from './scope.ts';
import { accepted, type Deployment, type Facts, isFirst, type Step, versionOf } from './state.ts';
import { isSame, trafficAt } from './traffic.ts';
import { messageOf } from './upload.ts';

/** Gives the version 0 %, so that it can be asked for by name, and asks it. */
export async function smokeTest(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context } = scope;
  const deploymentId = await serve(deployment, scope, 0);
  const url = await addressOf(deployment, scope);
  const health = await watched(deployment, scope, { url, until: scope.now(), bakeMs: 0 });
  const known = { url, deploymentId, stage: 0, ...seen(deployment, health, scope) };
  return records.advance(deployment, 'shifting', known, () => context.progress('tested', probesOf(health)));
}

/** Gives the version the traffic of this stage. */
export async function shift(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context, plan, now } = scope;
  const { stage = 0 } = deployment.facts;
  const percentage = plan.rollout.stages[stage] ?? 100;
  const versionId = versionOf(deployment);
  const deploymentId = await serve(deployment, scope, percentage);
  const at = now();
  const known = {
    deploymentId,
    percentage,
    since: at,
    receipts: accepted(deployment, { versionId, deploymentId, at }),
  };
  if (plan.rollout.watch === undefined || isFirst(deployment))
    return records.advance(deployment, 'publishing', known, () => {});
  const said = () => context.progress('shifted', `${percentage} % to version ${versionId}`);
  return records.shifted(deployment, 'baking', known, said);
}

/** Watches the version at this stage for as long as it bakes. */
export async function bake(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context, plan } = scope;
  const { since = scope.now(), stage = 0, percentage = 0 } = deployment.facts;
  const bakeMs = plan.rollout.watch?.bakeMs ?? 0;
  const url = await addressOf(deployment, scope);
  const relayed = relayedOf(deployment, scope, { stage, since, percentage });
  const health = await context.aside(() =>
    watched(deployment, scope, { url, until: since + bakeMs, bakeMs, relayed }),
  );
  const [step, next] = after(deployment, scope, stage);
  const { compared } = relayed;
  const known = { url, ...(compared && { compared }), ...next, ...seen(deployment, health, scope) };
  const said = () =>
    context.progress('healthy', `at ${percentage} %: ${probesOf(health)}; ${relayed.summary}`);
  return records.advance(deployment, step, known, said);
}

/** The edge's count of this stage: under one name, so that a process that takes the bake up goes on with it. */
function relayedOf(
  deployment: Deployment,
  { context, now }: Scope,
  { stage, ...given }: { stage: number; since: number; percentage: number },
): Relayed {
  const { before: [before] = [], compared: earlier } = deployment.facts;
  const ref = {
    window: `${deployment.commandId}/${stage}`,
    version: versionOf(deployment),
    ...(before === undefined ? {} : { before: before.versionId }),
  };
  const hasBefore = before !== undefined && given.percentage < 100;
  return new Relayed({ ask: () => context.tallies(ref), ...given, hasBefore, earlier, now });
}

/** What comes behind a stage that went well. */
function after(deployment: Deployment, { plan }: Scope, stage: number): [Step, Partial<Facts>] {
  if (isFirst(deployment)) return ['proving', {}];
  if (stage + 1 < plan.rollout.stages.length) return ['shifting', { stage: stage + 1 }];
  return ['publishing', {}];
}

const seen = ({ facts: { receipts } }: Deployment, { isObserved }: Health, { now }: Scope): Partial<Facts> =>
  isObserved && receipts.observed === undefined ? { receipts: { ...receipts, observed: { at: now() } } } : {};

function watched(
  deployment: Deployment,
  scope: Scope,
  { url, until, bakeMs, relayed }: { url: string; until: number; bakeMs: number; relayed?: Relayed },
): Promise<Health> {
  const { name, rollout } = scope.plan;
  if (rollout.watch === undefined) throw new TypeError('only a rollout in stages is watched');
  const target = { name, versionId: versionOf(deployment), url };
  const parts = { ...scope, ...(relayed && { relayed }) };
  return checkHealth(target, rollout.watch.healthCheck, { until, bakeMs }, scope.context.signal, parts);
}

/**
 * Divides the traffic, unless that was done already. Between stages somebody else may have deployed: theirs is not
 * overwritten. @returns the deployment
 */
async function serve(deployment: Deployment, scope: Scope, percentage: number): Promise<string> {
  const { api, plan, context, isRepeat } = scope;
  const { signal } = context;
  const wanted = trafficAt(deployment, percentage);
  const isWithin = deployment.facts.deploymentId !== undefined;
  if (isRepeat || isWithin) {
    const [current] = (await api.deployments(plan.name, signal)) ?? [];
    if (current !== undefined && isSame(current.traffic, wanted)) return current.deploymentId;
    if (!isAsLeft(deployment, current, plan)) throw changed(plan.name);
  }
  const force = plan.source.kind === 'earlier' && plan.source.body.force === true;
  return api.serve(plan.name, wanted, { message: messageOf(plan), force }, context);
}

/** What this command has divided itself, also in a run that this database does not know of, counts as left so. */
function isAsLeft(deployment: Deployment, current: Served | undefined, plan: Plan): boolean {
  const { deploymentId, before = [] } = deployment.facts;
  if (current?.message === messageOf(plan)) return true;
  if (deploymentId !== undefined) return current?.deploymentId === deploymentId;
  return isSame(current?.traffic ?? [], before);
}

const changed = (name: string): Failure =>
  new Failure('conflict', `${name} was deployed by somebody else during this rollout, which was given up`);
