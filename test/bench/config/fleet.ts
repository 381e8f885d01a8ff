import type { Live } from './live.ts';
import { type Operator, WITHIN_MS } from './operator.ts';

/** Requests at once: as `clawctl config apply` makes them. */
const AT_ONCE = 8;

/** Milliseconds from the first request. */
export interface Push {
  readonly taken: number;
  /** All are applied, and a dashboard shows it. */
  readonly applied: number;
}

/** Pushes one config to all sites, and looks at a dashboard until the last is applied; then at each, whether it is so. */
export async function pushToAll(
  { operator, live }: { operator: Operator; live: Live },
  siteIds: readonly string[],
  base: number,
  config: object,
): Promise<Push> {
  const begun = performance.now();
  const commands: string[] = [];
  await each(siteIds, async (siteId) => {
    commands.push((await operator.push(siteId, base, config)).commandId);
  });
  const taken = performance.now() - begun;
  const shown = await Promise.all(commands.map((id) => live.succeeded(id, WITHIN_MS)));
  await each(siteIds, (siteId) => operator.applied(siteId));
  return { taken, applied: Math.max(...shown) - begun };
}

/** Does something with each, a few at once. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
