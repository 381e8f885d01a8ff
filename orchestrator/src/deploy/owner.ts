import { Failure } from '@clawdbot/protocol';
import type { Api, ListedVersion } from './api.ts';
import type { Plan } from './plan.ts';
import type { Records } from './record.ts';
import type { Scope } from './scope.ts';

type Named = Pick<Plan, 'name' | 'siteId'>;

/** Throws `Failure('conflict')` when another site has the name here. */
export function checkOwnHere({ name, siteId }: Named, records: Records): void {
  const known = records.worker(name);
  if (known?.isDeployed !== true || known.siteId === undefined || known.siteId === siteId) return;
  throw taken(name);
}

/**
 * A Worker that is there and that this orchestrator has not deployed: its versions say whose it is. A name is its
 * first site's. Throws `Failure('conflict')`.
 */
export async function checkOwner({ plan, records, api, context }: Scope): Promise<void> {
  const { name, siteId, source } = plan;
  const known = records.worker(name);
  if (known?.isDeployed === true) return;
  const isOurs = await checkOwnAtCloudflare({ name, siteId }, api, context.signal);
  if (isOurs) return;
  if (source.kind === 'upload' && source.body.adopt === true) return;
  throw new Failure(
    'conflict',
    `a Worker called ${name} is there already and was made outside of this system: choose another name, or take it over first ("clawctl adopt ${name}")`,
  );
}

/** Throws `Failure('conflict')` when its versions are another site's. @returns whether one of them is this site's */
export async function checkOwnAtCloudflare(
  { name, siteId }: Named,
  api: Api,
  signal: AbortSignal,
): Promise<boolean> {
  const owner = ownerOf(await api.versions(name, signal));
  if (owner !== undefined && owner !== siteId) throw taken(name);
  return owner === siteId;
}

/** Whose name was on the newest version that one of our commands has made. */
function ownerOf(versions: readonly ListedVersion[]): string | undefined {
  const messages = versions.map(({ message }) => /^clawdbot (\S+) cmd_\S+$/.exec(message ?? '')?.[1]);
  return messages.find((siteId) => siteId !== undefined);
}

const taken = (name: string): Failure =>
  new Failure(
    'conflict',
    `the name ${name} is another site's: choose another name, or name that site if its Worker is meant (--site)`,
  );
