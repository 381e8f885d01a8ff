import { z } from 'zod';

/** Cloudflare's code for a Worker that is not there; other 404s are faults of ours, e.g. a wrong base URL. */
const ABSENT = 10_007;
const refusal = z.object({ status: z.literal(404), errors: z.array(z.object({ code: z.number() })) });

/** Undefined when what was asked for is not there. */
export async function unlessAbsent(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (refusal.safeParse(error).data?.errors.some(({ code }) => code === ABSENT)) return undefined;
    throw error;
  }
}
