import { Failure, type FrameToEdge, type FrameToOrchestrator } from '@clawdbot/protocol';
import { failureOf, logFault } from '../problem.ts';
import type { Secrets } from './secrets.ts';

type GetSecret = Extract<FrameToEdge, { type: 'get_secret' }>;

/**
 * The answer to `get_secret`; what it holds is written nowhere. It never rejects.
 * @param holder absent when the one who asks is not the newest process, which alone is told (PROTOCOL C12)
 */
export async function secretAnswer(
  { id, siteId, name }: GetSecret,
  holder: Pick<Secrets, 'get'> | undefined,
): Promise<FrameToOrchestrator> {
  try {
    if (holder === undefined)
      throw new Failure('conflict', 'a newer session has taken over: ask on that one');
    return { type: 'secret', id, ...(await holder.get(siteId, name)) };
  } catch (error) {
    const failure = failureOf(error);
    logFault(failure, `get_secret ${siteId}/${name}`);
    return { type: 'error', id, error: failure.toWire() };
  }
}
