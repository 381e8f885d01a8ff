import { Cache } from './cache.ts';
import type { Asker } from './directory.ts';
import { queried } from './query.ts';

/** An orchestrator's public key, and what its holder may open. */
export interface ChannelKey {
  readonly orchestratorId: string;
  readonly orgId: string;
  /** Lanes 0 to `lanes - 1` are granted. */
  readonly lanes: number;
  /** Orchestrators of the organisation that may dial. */
  readonly sharers: number;
  /** SPKI as PEM. */
  readonly publicKey: string;
  readonly state: 'active' | 'candidate' | 'revoked';
}

/**
 * A revoked key must be refused within 5 s, everywhere: so nothing stale is served, and 2 s leave room for the
 * load itself. It spares D1 when many lanes or redials come at once. Only while D1 itself does not answer does a key
 * that dialled here in the last ten minutes count as it was: a lost socket must not stay lost with D1.
 */
const TIMES = { freshMs: 2_000, idleMs: 0, absentMs: 1_000, faultMs: 10 * 60_000 };
const ENTRIES_MAX = 1_000;
const D1_DEADLINE_MS = 2_500;

export class Keys {
  readonly #cache: Cache<ChannelKey>;

  constructor(now: () => number) {
    this.#cache = new Cache({ ...TIMES, entriesMax: ENTRIES_MAX, now });
  }

  byKid(kid: string, { db, background }: Asker): Promise<ChannelKey | undefined> {
    return this.#cache.get(kid, { background, load: () => queried(load(db, kid), D1_DEADLINE_MS) });
  }
}

const BY_KID = `
  SELECT k.orchestrator_id AS orchestratorId, o.org_id AS orgId, o.lanes, k.public_key AS publicKey, k.state,
    (SELECT COUNT(DISTINCT other.id) FROM orc_orchestrators other
     JOIN orc_orchestrator_keys valid ON valid.orchestrator_id = other.id AND valid.state <> 'revoked'
     WHERE other.org_id = o.org_id) AS sharers
  FROM orc_orchestrator_keys k JOIN orc_orchestrators o ON o.id = k.orchestrator_id
  WHERE k.kid = ?`;

async function load(db: D1Database, kid: string): Promise<ChannelKey | undefined> {
  return (await db.prepare(BY_KID).bind(kid).first<ChannelKey>()) ?? undefined;
}
