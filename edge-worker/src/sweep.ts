import { reach } from './ask.ts';
import { pruneEvents } from './data/events.ts';
import { orchestratorsBehind } from './data/sync-outbox.ts';
import { inParallel } from './parallel.ts';
import { cutRevoked } from './revocation.ts';
import { CONTROL_LANE, type Services } from './services.ts';

/** Events in D1 are kept this long. */
const EVENTS_KEPT_MS = 90 * 24 * 60 * 60 * 1_000;
/** Each deletes 2,000 events: 80,000 a minute, and never more work than that. */
const PRUNING_STATEMENTS = 40;
/** Objects asked in one run; a Worker may make 1,000 calls. Those left over have their turn a minute later. */
const WOKEN_MAX = 500;
const WAKE_DEADLINE_MS = 5_000;

type SweepServices = Pick<Services, 'db' | 'channel' | 'now'>;

/** Each minute: revoked keys lose their sockets; orchestrators that nobody nudged get what changed in the shared tables; old events go. */
export async function sweep(services: SweepServices): Promise<void> {
  const { db, now } = services;
  const tasks = [
    () => cutRevoked(services),
    async () => wakeAll(await orchestratorsBehind(db, WOKEN_MAX), services),
    () => pruneEvents(db, now() - EVENTS_KEPT_MS, PRUNING_STATEMENTS),
  ];
  const failed = await inParallel(tasks, 1);
  if (failed.length > 0) throw failed[0];
}

/** Has orchestrators' objects look for changes of shared rows. One that does not answer keeps no other back. */
export async function wakeAll(
  orchestrators: readonly { readonly id: string; readonly orgId: string }[],
  { channel }: Pick<Services, 'channel'>,
): Promise<void> {
  await Promise.all(
    orchestrators.map(async ({ id, orgId }) => {
      try {
        await reach(channel(id, CONTROL_LANE).syncShared(orgId), WAKE_DEADLINE_MS);
      } catch (error) {
        console.warn(`the channel object of ${id} was not nudged: the next sweep tries again`, error);
      }
    }),
  );
}
