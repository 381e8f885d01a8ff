import * as z from 'zod/mini';
import { type Consent, consent } from './variables.ts';

/** Served without a look at the edge until this age … */
const FRESH_MS = 2_000;
/** … and until this one while it is renewed behind the answer; older, the edge is asked first. */
const STALE_MS = 5_000;
/** A visitor's page waits no longer for the edge: what is known, or the variables, must do. */
const EDGE_DEADLINE_MS = 1_000;
/** Of a copy at this location of Cloudflare, for isolates that begin while the edge is away. */
const SHELF_AGE_S = 7 * 24 * 3_600;

/** `public.tag` of the site's config; what cannot be read in it does not count. */
const publicConfig = z.object({ tag: z.optional(z.object({ consent: z.optional(consent) })) });

export interface Settings {
  readonly consent: Consent;
}

/** Copies that outlive an isolate: the part of Cloudflare's Cache API that is used here. */
export interface Shelf {
  match(key: string): Promise<Response | undefined>;
  put(key: string, response: Response): Promise<void>;
}

export interface SettingsParts {
  readonly siteId: string;
  readonly edgeUrl: string;
  readonly consent: Consent;
  readonly fetcher: typeof fetch;
  /** Throws where there is none. */
  readonly shelf: () => Shelf;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Known {
  readonly settings: Settings;
  readonly etag: string | null;
}

export type Background = (task: Promise<unknown>) => void;

/**
 * The site's settings: the public part of its config, as this isolate last had it from the edge. An edit is followed within
 * ten seconds (4 at the edge, 5 here); while the edge is away, the last known settings go on to hold.
 */
export class SiteSettings {
  readonly #parts: SettingsParts;
  readonly #url: string;
  #known: Known | undefined;
  #askedAt = -Infinity;
  /** The edge is away: one visitor waits for it every few seconds, not each. */
  #failedAt = -Infinity;

  constructor(parts: SettingsParts) {
    this.#parts = parts;
    this.#url = `${parts.edgeUrl}/api/v1/sites/${parts.siteId}/config/public`;
  }

  async get(background: Background): Promise<Settings> {
    const at = this.#parts.now();
    if (this.#known === undefined) {
      if (at - this.#failedAt > STALE_MS) await this.#renew(background);
    } else if (at - this.#askedAt > STALE_MS) await this.#renew(background);
    else if (at - this.#askedAt > FRESH_MS) background(this.#renew(background));
    return this.#known?.settings ?? { consent: this.#parts.consent };
  }

  /** Never throws: what is known stays. */
  async #renew(background: Background): Promise<void> {
    this.#askedAt = this.#parts.now();
    try {
      this.#known = (await this.#ask(background)) ?? this.#known;
    } catch {
      this.#failedAt = this.#parts.now();
      this.#known ??= await this.#fromShelf();
    }
  }

  /** @returns undefined when what is known is still right. Throws when the edge does not answer */
  async #ask(background: Background): Promise<Known | undefined> {
    const etag = this.#known?.etag ?? null;
    const response = await this.#parts.fetcher(this.#url, {
      headers: etag === null ? {} : { 'if-none-match': etag },
      signal: AbortSignal.timeout(EDGE_DEADLINE_MS),
    });
    if (response.status === 304) return undefined;
    if (!response.ok) throw new Error(`the edge answered ${response.status}`);
    const text = await response.text();
    background(this.#shelve(text, response.headers.get('etag')));
    return this.#knownOf(text, response.headers.get('etag'));
  }

  async #fromShelf(): Promise<Known | undefined> {
    try {
      const kept = await this.#parts.shelf().match(this.#url);
      return kept && this.#knownOf(await kept.text(), kept.headers.get('etag'));
    } catch {
      return undefined;
    }
  }

  /** Where nothing can be kept (a preview, a local workerd), isolates begin with what the variables say. */
  async #shelve(text: string, etag: string | null): Promise<void> {
    const headers = { 'cache-control': `max-age=${SHELF_AGE_S}`, ...(etag === null ? {} : { etag }) };
    try {
      await this.#parts.shelf().put(this.#url, new Response(text, { headers }));
    } catch {
      // See above.
    }
  }

  #knownOf(text: string, etag: string | null): Known {
    const { data } = publicConfig.safeParse(JSON.parse(text));
    return { settings: { consent: data?.tag?.consent ?? this.#parts.consent }, etag };
  }
}
