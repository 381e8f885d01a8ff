/** A lane that was away is left alone this long; then one call tries it. */
const AVOID_MS = 3_000;
/** Lanes that are away at one time, of all orchestrators that this isolate has to do with. */
const AVOIDED_MAX = 1_000;
/** Lanes that one call tries: in an outage of all of them, its customer waits for no more answers than these. */
const TRIED_MAX = 4;

/**
 * All lanes, in the order in which a site's calls prefer them (rendezvous hashing: each site has an order of its own,
 * which another number of lanes hardly changes).
 */
export function preferred(siteId: string, lanes: number): number[] {
  const scores = Array.from({ length: lanes }, (_, lane) => hash(`${lane}/${siteId}`));
  return [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
}

/** FNV-1a of 32 bits, with murmur3's last mixing: without it names that differ in their end only score alike. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Per isolate: which lanes were away when they were last asked. */
export class Lanes {
  readonly #now: () => number;
  /** Until when a lane is avoided, by `<orchestrator>/<lane>`. */
  readonly #avoided = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The lanes that a call tries, best first; those that are avoided come last, and lane 0 is always among them. */
  order(orchestratorId: string, lanes: readonly number[]): number[] {
    const good = lanes.filter((lane) => !this.#isAvoided(orchestratorId, lane));
    const [first] = good;
    // Its time is over, and this call tries it: the others go on avoiding it until that one was answered.
    if (first !== undefined && this.#avoided.has(`${orchestratorId}/${first}`))
      this.away(orchestratorId, first);
    const all = [...good, ...lanes.filter((lane) => !good.includes(lane))];
    const tried = all.slice(0, TRIED_MAX);
    // It alone knows when the orchestrator is expected back.
    return tried.includes(0) ? tried : [...tried.slice(0, -1), 0];
  }

  away(orchestratorId: string, lane: number): void {
    const key = `${orchestratorId}/${lane}`;
    this.#avoided.delete(key);
    this.#avoided.set(key, this.#now() + AVOID_MS);
    const [oldest] = this.#avoided.keys();
    if (this.#avoided.size > AVOIDED_MAX && oldest !== undefined) this.#avoided.delete(oldest);
  }

  answered(orchestratorId: string, lane: number): void {
    this.#avoided.delete(`${orchestratorId}/${lane}`);
  }

  #isAvoided(orchestratorId: string, lane: number): boolean {
    const until = this.#avoided.get(`${orchestratorId}/${lane}`);
    return until !== undefined && until > this.#now();
  }
}
