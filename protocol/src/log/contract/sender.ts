import { expect } from 'vitest';
import type { Outbox } from '../outbox.ts';
import type { Sql } from '../sql.ts';
import { Backup } from './backup.ts';
import { outboxOver } from './use.ts';

/** A sender with what it holds to be written. Each body is unique: `entry <n>`, or `withdrawn <n>` in its place. */
export class Sender {
  /** What its database holds, by position. */
  history: string[] = [];
  /** Written before a backup and not sent then: its restored copy cannot know that they were sent since. */
  readonly offeredAgain = new Set<string>();
  outbox: Outbox;
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #lazyPositions: boolean;
  #backup: { readonly tables: Backup; readonly history: readonly string[] } | undefined;
  #bodies = 0;
  #logs = 0;

  constructor(sql: Sql, now: () => number, lazyPositions: boolean) {
    this.#sql = sql;
    this.#now = now;
    this.#lazyPositions = lazyPositions;
    this.outbox = this.#open();
  }

  reopen(): void {
    this.outbox = this.#open();
  }

  append(count: number): void {
    const bodies = Array.from({ length: count }, () => `entry ${++this.#bodies}`);
    const first = count === 1 ? this.outbox.append(bodies[0] ?? '') : this.outbox.appendAll(bodies);
    expect(first).toBe(this.history.length + 1);
    this.history.push(...bodies);
  }

  /** Takes back the newest entry, if it never left. */
  withdraw(): void {
    const seq = this.history.length;
    const body = this.history[seq - 1]?.replace('entry', 'withdrawn');
    if (body !== undefined && this.outbox.replace(seq, body)) this.history[seq - 1] = body;
  }

  backUp(): void {
    this.#backup = { tables: new Backup(this.#sql, 'sender'), history: [...this.history] };
  }

  /** Puts the backup back. With lazy positions the log is renewed at once, else when the peer knows better. */
  restore(peerLogId: string | undefined): void {
    if (this.#backup === undefined) return;
    this.#backup.tables.restore(this.#sql);
    this.history = [...this.#backup.history];
    this.reopen();
    if (this.#lazyPositions) this.renew(peerLogId);
    for (const body of this.history.slice(this.outbox.offered)) this.offeredAgain.add(body);
  }

  renew(peerLogId: string | undefined): void {
    this.outbox.renew(this.#newLogId(), peerLogId);
  }

  #open(): Outbox {
    return outboxOver(this.#sql, {
      now: this.#now,
      newLogId: () => this.#newLogId(),
      lazyPositions: this.#lazyPositions,
    });
  }

  #newLogId(): string {
    return `log-${String(++this.#logs).padStart(8, '0')}`;
  }
}
