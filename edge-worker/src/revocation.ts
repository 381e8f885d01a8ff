import { reach } from './ask.ts';
import { type KeyToCut, keysToCut, noteCut } from './data/revocations.ts';
import type { Services } from './services.ts';

type RevocationServices = Pick<Services, 'db' | 'channel' | 'now'>;

/** Sockets end within 5 s of the order (PROTOCOL D6): this leaves room for D1 before it. */
const CUT_DEADLINE_MS = 3_000;
/** With 16 lanes each they are 320 of the 1,000 calls that a run of the Worker may make. */
const CUT_PER_SWEEP = 20;

/** Has the objects of all granted lanes end the sockets of a revoked key. Those that do not answer are told again by the cron. */
export async function cut(
  { kid, orchestratorId, lanes }: KeyToCut,
  { db, channel, now }: RevocationServices,
): Promise<void> {
  const all = Array.from({ length: lanes }, (_, lane) =>
    reach(channel(orchestratorId, lane).cutKey(kid), CUT_DEADLINE_MS),
  );
  const failed = (await Promise.allSettled(all)).find(({ status }) => status === 'rejected');
  if (failed === undefined) await noteCut(db, kid, now());
  else
    console.warn(
      `not all lanes of ${orchestratorId} were told of a revoked key: the next sweep tells them`,
      failed,
    );
}

/** Keys that were revoked in D1 by hand, or whose objects could not all be told. */
export async function cutRevoked(services: RevocationServices): Promise<void> {
  const keys = await keysToCut(services.db, CUT_PER_SWEEP);
  await Promise.all(keys.map((key) => cut(key, services)));
}
