import { CONTROL_LANE, Failure } from '@clawdbot/protocol';
import { ask } from '../ask.ts';
import type { ChannelRpc, PublicPart } from '../channel/rpc.ts';
import { Cache } from './cache.ts';
import type { SiteEntry } from './directory.ts';

/**
 * An edit is seen here within two seconds: an answer that is older than one is renewed, behind it if somebody has asked
 * within the last two, else first. While the object cannot be asked, what is known goes on being served.
 */
const TIMES = { freshMs: 1_000, idleMs: 2_000, absentMs: 1_000, faultMs: 24 * 60 * 60_000 };
/** At most 16 KiB each (`PUBLIC_CONFIG_BYTES_MAX`): in the worst case a quarter of the isolate's 128 MB. */
const ENTRIES_MAX = 2_000;

interface PublicServices {
  channel(orchestratorId: string, lane: number): Pick<ChannelRpc, 'publicConfig'>;
  background(task: Promise<unknown>): void;
}

/** Per isolate: what everyone may read of sites' configs. */
export class PublicConfigCache {
  readonly #cache: Cache<PublicPart>;

  constructor(now: () => number) {
    this.#cache = new Cache({ ...TIMES, entriesMax: ENTRIES_MAX, now });
  }

  /** Undefined for a site that its object does not know, or no more. Throws `Failure`. */
  get(
    { orchestratorId, siteId }: Pick<SiteEntry, 'siteId' | 'orchestratorId'>,
    { channel, background }: PublicServices,
  ): Promise<PublicPart | undefined> {
    const load = () => known(ask(channel(orchestratorId, CONTROL_LANE).publicConfig(siteId)));
    // A site that has moved has another truth there.
    return this.#cache.get(`${orchestratorId}/${siteId}`, { load, background });
  }
}

async function known(asked: Promise<PublicPart>): Promise<PublicPart | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined;
    throw error;
  }
}
