import { type DeployResult, Failure } from '@clawdbot/protocol';
import type { CommandContext } from '../commands/handler.ts';
import { Cancelled } from '../commands/outcome.ts';
import { isStorageFault, LeaseLost } from '../store/index.ts';
import { publish } from './addresses.ts';
import { finish } from './finish.ts';
import { obtain } from './material.ts';
import { beginInNamespace, putInNamespace } from './namespace.ts';
import { isInNamespace, type Plan } from './plan.ts';
import { locate } from './rollback.ts';
import { bake, shift, smokeTest } from './rollout.ts';
import type { EngineParts, Scope } from './scope.ts';
import { type Deployment, type Facts, isEnd } from './state.ts';
import { undo } from './undo.ts';
import { begin, upload } from './uploading.ts';

/**
 * Carries a deployment from step to step until it has ended, each written down before its call. What is thrown on the
 * way undoes it; a process that stops leaves it where it is, for the next one to go on or undo.
 * @returns the result. Throws `Failure`, `Cancelled` among them, when it was not carried out
 */
export async function run(plan: Plan, context: CommandContext, parts: EngineParts): Promise<DeployResult> {
  const known = parts.records.find(plan.commandId);
  let deployment = known ?? parts.records.intend(plan, () => context.progress('validated'));
  const isRepeat = known !== undefined || context.resumed;
  let material: ReturnType<typeof obtain> | undefined;
  while (!isEnd(deployment.step)) {
    const scope: Scope = {
      ...{ ...parts, plan, context, isRepeat },
      material: () => {
        material ??= obtain(plan, context);
        return material;
      },
    };
    deployment = await advanced(deployment, scope);
  }
  return resultOf(deployment);
}

async function advanced(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context } = scope;
  try {
    if (deployment.step !== 'undoing') context.signal.throwIfAborted();
    return await next(deployment, scope);
  } catch (error) {
    context.stop.throwIfAborted();
    if (isStorageFault(error) || error instanceof LeaseLost) throw error;
    const why = reasonOf(error, context);
    if (deployment.step === 'undoing') return records.ended(deployment, notUndone(deployment, why));
    if (isInNamespace(scope.plan) || leftNothing(deployment, error)) return records.ended(deployment, why);
    return records.advance(deployment, 'undoing', { why }, () => context.progress('undoing', why.message));
  }
}

function next(deployment: Deployment, scope: Scope): Promise<Deployment> {
  switch (deployment.step) {
    case 'intended':
      return first(deployment, scope);
    case 'uploading':
      return isInNamespace(scope.plan) ? putInNamespace(deployment, scope) : upload(deployment, scope);
    case 'testing':
      return smokeTest(deployment, scope);
    case 'shifting':
      return shift(deployment, scope);
    case 'baking':
      return bake(deployment, scope);
    case 'publishing':
      return publish(deployment, scope);
    case 'proving':
      return finish(deployment, scope);
    case 'undoing':
      return undo(deployment, scope);
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      throw new TypeError('a deployment that has ended goes no further');
    default:
      return deployment.step satisfies never;
  }
}

function first(deployment: Deployment, scope: Scope): Promise<Deployment> {
  if (isInNamespace(scope.plan)) return beginInNamespace(deployment, scope);
  return scope.plan.source.kind === 'upload' ? begin(deployment, scope) : locate(deployment, scope);
}

type Why = NonNullable<Facts['why']>;

function reasonOf(error: unknown, { signal, log, commandId }: CommandContext): Why {
  const { reason } = signal;
  if (
    signal.aborted &&
    reason instanceof Cancelled &&
    (error instanceof Cancelled || !(error instanceof Failure))
  )
    return { end: 'cancelled', code: reason.code, message: reason.message };
  if (error instanceof Failure) return { end: 'failed', code: error.code, message: error.message };
  log.error('a deployment failed inside the orchestrator', { commandId, error });
  return {
    end: 'failed',
    code: 'internal',
    message: 'the orchestrator failed while it deployed: see its log',
  };
}

/** Refused before or by the upload: no version was made, and nobody was served by one. */
const leftNothing = ({ step }: Deployment, error: unknown): boolean =>
  step === 'intended' ||
  (step === 'uploading' &&
    error instanceof Failure &&
    !(error instanceof Cancelled) &&
    error.code !== 'cloudflare_unavailable');

function notUndone({ facts: { why, percentage = 0, versionId = 'unknown' } }: Deployment, now: Why): Why {
  const before = why ?? now;
  const message = `${before.message}; and this could not be undone: ${now.message}; version ${versionId} may still have ${percentage} % of the traffic: look at "clawctl deployments", and roll back by hand`;
  return { ...before, end: 'failed', message };
}

function resultOf({ facts: { result, why } }: Deployment): DeployResult {
  if (result !== undefined) return result;
  const { end, code, message } = why ?? { end: 'failed', code: 'internal', message: 'its end was not kept' };
  throw end === 'cancelled' ? new Cancelled(message) : new Failure(code, message);
}
