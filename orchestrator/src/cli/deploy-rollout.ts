import type { DeployPayload } from '@clawdbot/protocol';
import { type TemplateName, templateCheck } from './bundle/templates.ts';
import { CliError } from './io.ts';

/** How a version reaches its visitors, and what it is asked for. */
export interface RolloutOptions {
  readonly template?: TemplateName;
  readonly steps?: readonly number[];
  /** Seconds. */
  readonly bake?: number;
  readonly check?: string;
  readonly checkStatus?: number;
}

/** Seconds. Without steps nothing is compared: long enough for a version that is ill from the start. */
export const BAKE = { steps: 30, atOnce: 3 };

type Rollout = Pick<DeployPayload, 'strategy' | 'health'>;

/**
 * A check that somebody asks for gates the deployment, without steps as well: then all is one step, and what is found
 * ill is undone. What a template knows of itself is only looked at later. Throws `CliError`.
 */
export function rolloutOf(
  options: RolloutOptions,
  isInNamespace: boolean,
): Partial<Record<keyof Rollout, object>> {
  const looked = lookOf(options);
  const { steps, check, checkStatus } = options;
  const isGated = check !== undefined || checkStatus !== undefined;
  if (isGated && isInNamespace)
    throw new CliError(
      'a Worker in a dispatch namespace has no address to ask: leave --check and --check-status out',
    );
  const { bake = steps === undefined ? BAKE.atOnce : BAKE.steps } = options;
  return {
    ...((steps !== undefined || isGated) && {
      strategy: gradual(steps ?? [100], bake, { path: '/', ...looked }),
    }),
    ...(looked && { health: looked }),
  };
}

const gradual = (steps: readonly number[], bake: number, healthCheck: object) => ({
  ...{ type: 'gradual', steps, bakeMs: bake * 1_000, healthCheck },
});

/** What the Worker is asked for, if anybody says it: while it is rolled out, and from then on. */
function lookOf({
  check,
  checkStatus,
  template,
}: RolloutOptions): { path: string; status?: number } | undefined {
  const path = check ?? (template === undefined ? undefined : templateCheck(template));
  if (path === undefined && checkStatus === undefined) return undefined;
  return { path: path ?? '/', ...(checkStatus !== undefined && { status: checkStatus }) };
}
