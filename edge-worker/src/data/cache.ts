interface CacheTimes {
  /** Until this age an entry is served as it is; older, it is served and loaded anew behind the answer … */
  readonly freshMs: number;
  /** … unless nobody has asked for it this long: then it is loaded first. 0: nothing stale is ever served. */
  readonly idleMs: number;
  /** "There is none" is served until this age: shorter, so that what was just made is soon found. */
  readonly absentMs: number;
  /** While D1 fails, an entry is served until this age: better than nothing, which is all there would be. */
  readonly faultMs: number;
}

export interface CacheOptions extends CacheTimes {
  readonly entriesMax: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Entry<V> {
  readonly value: V | undefined;
  readonly loadedAt: number;
  servedAt: number;
  /** When a load behind an answer began. It may never end: its request's context can be cancelled. */
  refreshingSince: number;
}

/** A load behind an answer that has not ended by then is given up, and another may begin. */
const REFRESH_MS = 10_000;

/** How a value is had when the cache has none, and who keeps a load going after the answer. */
export interface Source<V> {
  load(): Promise<V | undefined>;
  background(task: Promise<unknown>): void;
}

/**
 * Per-isolate cache of what D1 knows, so that a customer's request never waits for it once warm, even while D1
 * is down. Loads are not shared between requests: workerd cancels a request's I/O when it ends, and others
 * would wait for ever.
 */
export class Cache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #options: CacheOptions;
  /** Counts what was forgotten, so that a load begun before does not bring it back. */
  #forgotten = 0;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  async get(key: string, source: Source<V>): Promise<V | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#load(key, source);
    const { freshMs, idleMs, absentMs, now } = this.#options;
    const at = now();
    const fresh = at - entry.loadedAt <= (entry.value === undefined ? absentMs : freshMs);
    if (!fresh) {
      if (entry.value === undefined) return this.#load(key, source);
      if (at - entry.servedAt >= idleMs) return this.#loadOr(entry, key, source);
      this.#refresh(key, entry, source);
    }
    entry.servedAt = at;
    return entry.value;
  }

  /** What is known without waiting, and not idle for too long; it is loaded (anew) behind the answer. */
  peek(key: string, source: Source<V>): V | undefined {
    const { freshMs, idleMs, absentMs, now } = this.#options;
    const at = now();
    const entry = this.#entries.get(key) ?? this.#expect(key);
    const isIdle = at - entry.servedAt >= idleMs;
    if (at - entry.loadedAt > (entry.value === undefined ? absentMs : freshMs)) {
      this.#refresh(key, entry, source);
      if (isIdle) return undefined;
    }
    entry.servedAt = at;
    return entry.value;
  }

  forget(key: string): void {
    this.#forgotten++;
    this.#entries.delete(key);
  }

  /** A place for what is being loaded, so that it is loaded once. */
  #expect(key: string): Entry<V> {
    const entry = { value: undefined, loadedAt: -Infinity, servedAt: -Infinity, refreshingSince: -Infinity };
    this.#put(key, entry);
    return entry;
  }

  #refresh(key: string, entry: Entry<V>, source: Source<V>): void {
    const at = this.#options.now();
    if (at - entry.refreshingSince < REFRESH_MS) return;
    entry.refreshingSince = at;
    // A failed load leaves the old value in place; a request after REFRESH_MS tries again.
    source.background(this.#load(key, source).catch(() => undefined));
  }

  async #loadOr(known: Entry<V>, key: string, source: Source<V>): Promise<V | undefined> {
    try {
      return await this.#load(key, source);
    } catch (error) {
      const { faultMs, now } = this.#options;
      if (now() - known.loadedAt > faultMs) throw error;
      return known.value;
    }
  }

  async #load(key: string, source: Source<V>): Promise<V | undefined> {
    const forgotten = this.#forgotten;
    const at = this.#options.now();
    const value = await source.load();
    if (this.#forgotten !== forgotten) return value;
    this.#put(key, { value, loadedAt: at, servedAt: at, refreshingSince: -Infinity });
    return value;
  }

  #put(key: string, entry: Entry<V>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > this.#options.entriesMax) this.#evict();
  }

  /** The entry that was loaded longest ago: a Map iterates in the order of insertion. */
  #evict(): void {
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
