import { z } from 'zod';

/** What a Worker is asked for, and what it has to answer. */
export const lookedAt = z.strictObject({
  path: z.string().startsWith('/').max(500),
  status: z.int().min(100).max(599).default(200),
});
export type LookedAt = z.infer<typeof lookedAt>;

const healthCheck = lookedAt.extend({ maxErrorRate: z.number().min(0).max(1).default(0) });

/** Shares have to add up to 100, which that of a finer step and its rest do not. */
const STEP_MIN = 0.001;

const ascending = (steps: readonly number[]): boolean =>
  steps.every((step, at) => step > (steps[at - 1] ?? 0)) && steps.at(-1) === 100;

/** Percentages of the traffic, one after another. */
export const rolloutSteps = z
  .array(z.number().gt(0).max(100).multipleOf(STEP_MIN, 'expected at most 3 decimals'))
  .min(1)
  .max(10)
  .refine(ascending, { error: 'expected percentages that ascend and end at 100, e.g. [1, 10, 100]' });

/** How a new version reaches its visitors: all at once, or by percentages with a bake time between them. */
export const strategy = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('immediate') }),
  z.strictObject({
    type: z.literal('gradual'),
    steps: rolloutSteps,
    bakeMs: z.int().min(0).max(86_400_000),
    healthCheck,
  }),
]);
