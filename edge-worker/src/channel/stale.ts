import { Failure, int, type Sql, text } from '@clawdbot/protocol';
import { z } from 'zod';
import { wholeOf } from '../body.ts';
import { isKeepable, mayBeKept, variantOf, varyOf } from './freshness.ts';
import type { RelayReply, SiteCall } from './relay-rpc.ts';

export interface StaleParts {
  readonly sql: Sql;
  readonly storage: SqlStorage;
  readonly now: () => number;
  /** Bounds of what is kept; those of the product unless a test says otherwise. */
  readonly rowsMax?: number;
  readonly bytesMax?: number;
}

/** Answers that one object keeps, those that were last renewed longest ago making room, … */
const ROWS_MAX = 5_000;
/** … and their bodies together: a fraction of the object's 10 GB. */
const BYTES_MAX = 256 * 1024 * 1024;
/** A row holds 2 MB; larger ones are not kept. */
const BODY_BYTES_MAX = 1024 * 1024;
/** An answer that has not changed is written again only after this: each write is paid for. */
const RENEW_MS = 10_000;

const headerList = z.array(z.tuple([z.string(), z.string()]));
/** The customer is not answered by the upstream: nobody is there, or it fails. */
const UNANSWERED: ReadonlySet<string> = new Set([
  'orchestrator_away',
  'orchestrator_lost',
  'upstream_failed',
  'deadline_exceeded',
  'overloaded',
  'response_too_large',
]);

const encoder = new TextEncoder();

type WholeReply = RelayReply & { readonly body: Uint8Array | null };

/** An answer with all of its body, which is read if it is known to be small; undefined of a larger or an endless one. */
async function wholeReply(reply: RelayReply): Promise<WholeReply | undefined> {
  const { headers } = reply;
  const body = typeof reply.body === 'string' ? encoder.encode(reply.body) : reply.body;
  if (body === null) return { ...reply, body };
  const length = body instanceof Uint8Array ? body.length : lengthIn(headers);
  if (length > BODY_BYTES_MAX) return undefined;
  return { ...reply, body: await wholeOf(body, BODY_BYTES_MAX) };
}

const lengthIn = (headers: RelayReply['headers']): number =>
  Number(headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1] ?? Number.POSITIVE_INFINITY);

/**
 * `offline: 'stale'`: the last good answer to a GET, kept for when there is none. It is never served while the upstream
 * answers: this is no cache. Not encrypted: what is kept is what everyone may see.
 */
export class Stale {
  readonly #parts: Required<StaleParts>;

  constructor(parts: StaleParts) {
    this.#parts = { rowsMax: ROWS_MAX, bytesMax: BYTES_MAX, ...parts };
  }

  /** Asks the upstream by `ask`, and answers with what is kept when that fails. Throws that failure when nothing is. */
  async relay(call: SiteCall, ask: () => Promise<RelayReply>): Promise<RelayReply> {
    if (!mayBeKept(call)) return ask();
    try {
      const reply = await ask();
      if (reply.status >= 500) return this.#kept(call) ?? reply;
      const whole = isKeepable(reply) ? await wholeReply(reply) : undefined;
      if (whole === undefined) return reply;
      this.#keep(call, whole);
      return whole;
    } catch (error) {
      if (!(error instanceof Failure) || !UNANSWERED.has(error.code)) throw error;
      const kept = this.#kept(call);
      if (kept === undefined) throw error;
      return kept;
    }
  }

  /** The site is gone. */
  removeSite(siteId: string): void {
    this.#parts.sql.run(`DELETE FROM stale_answers WHERE site_id = ?`, siteId);
  }

  #kept(call: SiteCall): RelayReply | undefined {
    const { sql, storage, now } = this.#parts;
    for (const row of sql.run(
      `SELECT n, vary, variant, status, headers, at FROM stale_answers WHERE site_id = ? AND url = ? ORDER BY at DESC`,
      call.siteId,
      call.url,
    )) {
      const names = z.array(z.string()).parse(JSON.parse(text(row, 'vary')));
      if (variantOf(call, names) !== text(row, 'variant')) continue;
      const [bytes] = storage
        .exec<{ body: ArrayBuffer }>(`SELECT body FROM stale_answers WHERE n = ?`, int(row, 'n'))
        .toArray();
      const ageS = Math.max(0, Math.floor((now() - int(row, 'at')) / 1_000));
      const headers = headerList.parse(JSON.parse(text(row, 'headers')));
      return {
        status: int(row, 'status'),
        // RFC 9111 §5.1; `Warning: 110` is obsolete.
        headers: [...headers.filter(([name]) => name.toLowerCase() !== 'age'), ['age', String(ageS)]],
        body: bytes === undefined || bytes.body.byteLength === 0 ? null : new Uint8Array(bytes.body),
      };
    }
    return undefined;
  }

  #keep(call: SiteCall, { status, headers, body }: WholeReply): void {
    const { sql, storage, now } = this.#parts;
    const names = varyOf({ headers });
    const variant = variantOf(call, names);
    const [before] = sql.run(
      `SELECT at, bytes FROM stale_answers WHERE site_id = ? AND url = ? AND variant = ?`,
      ...[call.siteId, call.url, variant],
    );
    const bytes = body?.length ?? 0;
    if (before !== undefined && now() - int(before, 'at') < RENEW_MS && int(before, 'bytes') === bytes)
      return;
    sql.transaction(() => {
      storage.exec(
        `INSERT INTO stale_answers (site_id, url, vary, variant, status, headers, body, bytes, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (site_id, url, variant) DO UPDATE SET vary = excluded.vary, status = excluded.status,
           headers = excluded.headers, body = excluded.body, bytes = excluded.bytes, at = excluded.at`,
        call.siteId,
        call.url,
        JSON.stringify(names),
        variant,
        status,
        JSON.stringify(headers),
        body ?? new Uint8Array(),
        bytes,
        now(),
      );
      this.makeRoom();
    });
  }

  /** Those that were renewed longest ago go, until the bounds are kept. */
  makeRoom(): void {
    const { sql, rowsMax, bytesMax } = this.#parts;
    for (;;) {
      const [all] = sql.run(`SELECT COUNT(*) AS n, COALESCE(SUM(bytes), 0) AS bytes FROM stale_answers`);
      if (int(all, 'n') <= rowsMax && int(all, 'bytes') <= bytesMax) return;
      sql.run(`DELETE FROM stale_answers WHERE n = (SELECT n FROM stale_answers ORDER BY at LIMIT 1)`);
    }
  }
}
