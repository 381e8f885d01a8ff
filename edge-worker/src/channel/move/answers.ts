import { int, type Sql } from '@clawdbot/protocol';
import type { Stale } from '../stale.ts';
import type { Cargo } from './cargo.ts';
import type { CargoRow } from './rpc.ts';

/** Of one site: a part of what an object keeps for all of its sites, so that an evacuation drives nobody else's out, … */
const ROWS_MAX = 1_000;
/** … and a second or two of sending, while the site works as before. */
const BYTES_MAX = 32 * 1024 * 1024;
/** One RPC message takes 32 MiB. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** Of a row beside its body. */
const HEAD_BYTES = 1_024;

export interface AnswersParts {
  readonly sql: Sql;
  readonly storage: SqlStorage;
  readonly cargo: Pick<Cargo, 'insert'>;
  readonly stale: Pick<Stale, 'makeRoom'>;
}

/** The kept answers of a site (`offline: 'stale'`): they go along with it, since one that leaves a dead VPS needs them now. */
export class Answers {
  readonly #parts: AnswersParts;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** Those that were renewed last come first. */
  *pages(siteId: string): Generator<CargoRow[]> {
    for (const page of grouped(this.#sizes(siteId))) {
      yield this.#parts.storage
        .exec<CargoRow>(
          `SELECT site_id, url, vary, variant, status, headers, bytes, at, body FROM stale_answers
           WHERE n IN (SELECT value FROM json_each(?))`,
          JSON.stringify(page),
        )
        .toArray();
    }
  }

  /** In the caller's transaction. */
  put(answers: readonly CargoRow[]): void {
    const { cargo, stale } = this.#parts;
    for (const answer of answers) cargo.insert('stale_answers', answer);
    stale.makeRoom();
  }

  #sizes(siteId: string): { n: number; bytes: number }[] {
    return this.#parts.sql
      .run(
        `SELECT n, bytes FROM stale_answers WHERE site_id = ? ORDER BY at DESC, n DESC LIMIT ?`,
        siteId,
        ROWS_MAX,
      )
      .map((row) => ({ n: int(row, 'n'), bytes: int(row, 'bytes') + HEAD_BYTES }));
  }
}

/** In pages, up to the bound. */
function* grouped(rows: readonly { n: number; bytes: number }[]): Generator<number[]> {
  let page: number[] = [];
  let [inPage, inAll] = [0, 0];
  for (const { n, bytes } of rows) {
    inAll += bytes;
    if (inAll > BYTES_MAX) break;
    if (page.length > 0 && inPage + bytes > PAGE_BYTES) {
      yield page;
      [page, inPage] = [[], 0];
    }
    page.push(n);
    inPage += bytes;
  }
  if (page.length > 0) yield page;
}
