import { type DeployReceipts, deployReceipts, deployResult, errorCode } from '@clawdbot/protocol';
import { z } from 'zod';

/**
 * Where a deployment stands. Each is written down before the call that it is about, so that who comes after a kill
 * knows what may have happened.
 *
 * intended → uploading → (testing →) shifting → (baking → shifting …) → publishing → proving → succeeded; from any of
 * them → undoing → failed | cancelled. A Worker's first version goes from uploading to publishing, and is watched
 * behind that; a rollback goes from intended to shifting.
 */
const step = z.enum([
  /** Checked; nothing of it is at Cloudflare. */
  'intended',
  /** What served before is known; the version may be there. */
  'uploading',
  /** It has, or gets, 0 % of the traffic, to be asked for by name. */
  'testing',
  /** It has, or gets, the traffic of `stage`. */
  'shifting',
  /** It has that traffic since `since`, and is watched. */
  'baking',
  /** It has all traffic; addresses are being set. */
  'publishing',
  /** It is being looked for at its address. */
  'proving',
  /** What served before gets all traffic back. */
  'undoing',
  'succeeded',
  'failed',
  'cancelled',
]);
export type Step = z.infer<typeof step>;
type End = 'succeeded' | 'failed' | 'cancelled';

const share = z.object({ versionId: z.string(), percentage: z.number() });
/** A version's part of the Worker's traffic. */
export type Share = z.infer<typeof share>;
export type Traffic = readonly Share[];

/** What is known of a deployment beside its step, as JSON in one column. */
export const facts = z.object({
  /** Who served when it began; none when there was no such Worker. */
  before: z.array(share).optional(),
  versionId: z.string().optional(),
  deploymentId: z.string().optional(),
  /** Which of the rollout's percentages. */
  stage: z.int().optional(),
  /** When the traffic of `stage` was given. */
  since: z.int().optional(),
  /** The percentage that this deployment has given its version. */
  percentage: z.number().optional(),
  /** How the version before did when it had its last share of the traffic: `Compared`. */
  compared: z.object({ percentage: z.number(), answered: z.int(), failed: z.int() }).optional(),
  url: z.string().optional(),
  receipts: deployReceipts,
  result: deployResult.optional(),
  /** Why it is undone, and what its end is called. */
  why: z.object({ end: z.enum(['failed', 'cancelled']), code: errorCode, message: z.string() }).optional(),
});
export type Facts = z.infer<typeof facts>;

export interface Deployment {
  readonly commandId: string;
  readonly siteId: string;
  readonly name: string;
  readonly step: Step;
  readonly facts: Facts;
}

/** An unknown step is an earlier version's: it is begun anew, and finds what is there. */
export const stepOf = (text: unknown): Step => step.safeParse(text).data ?? 'intended';

export const isEnd = (of: Step): of is End => of === 'succeeded' || of === 'failed' || of === 'cancelled';

/** No such Worker was there: the version is its first, and serves from its upload on. */
export const isFirst = ({ facts: known }: Deployment): boolean => (known.before ?? []).length === 0;

export function versionOf({ facts: { versionId } }: Deployment): string {
  if (versionId === undefined) throw new TypeError('this step comes behind the one that has the version');
  return versionId;
}

export const accepted = (
  { facts: { receipts } }: Deployment,
  { versionId, deploymentId, at }: NonNullable<DeployReceipts['accepted']>,
): DeployReceipts => ({ ...receipts, accepted: { at, versionId, deploymentId } });
