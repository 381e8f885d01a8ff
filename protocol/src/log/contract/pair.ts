import { expect } from 'vitest';
import type { Entry } from '../../frames/index.ts';
import { LOG_RETENTION_MS } from '../../limits.ts';
import type { Inbox } from '../inbox.ts';
import type { Outbox } from '../outbox.ts';
import type { Sql } from '../sql.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import type { Side, Step } from './steps.ts';

/** A sender and a receiver with a wire between them that carries whole batches, and may lose or repeat them. */
export class Pair {
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  #wire: Entry[][] = [];
  #now = 1_000;

  constructor(sql: Sql, lazyPositions: boolean) {
    const now = () => this.#now;
    this.#sender = new Sender(sql, now, lazyPositions);
    this.#receiver = new Receiver(sql, now);
    this.#reconnect();
  }

  get #outbox(): Outbox {
    return this.#sender.outbox;
  }

  get #inbox(): Inbox {
    return this.#receiver.inbox;
  }

  apply(step: Step): void {
    switch (step.do) {
      case 'append':
        for (let made = 0; made < step.count; made++) this.#sender.append(1);
        return;
      case 'append all':
        this.#sender.append(step.count);
        return;
      case 'deliver':
        this.#deliver(this.#wire.shift(), step.how, step.powerCutAt);
        return;
      case 'crash':
        this.#crash(step.side);
        return;
      case 'back up':
        this.#of(step.side).backUp();
        return;
      case 'restore':
        this.#restore(step.side);
        return;
      case 'send':
        this.#send();
        return;
      case 'duplicate':
        this.#deliver(this.#wire[0], 'keep');
        return;
      case 'acknowledge':
        this.#outbox.acknowledge(this.#inbox.position().applied);
        return;
      case 'handle':
        this.#receiver.handle();
        return;
      case 'lose':
        this.#lose();
        return;
      case 'reconnect':
        this.#reconnect();
        return;
      case 'wait':
        this.#now += 3_000;
        return;
      case 'replay':
        this.#receiver.replay();
        return;
      case 'drop':
        this.#receiver.drop();
        return;
      case 'withdraw':
        this.#sender.withdraw();
        return;
      case 'a day passes':
        this.#now += LOG_RETENTION_MS + 1;
        this.#outbox.compact();
        return;
      default:
        step satisfies never;
    }
  }

  /** Lets everything arrive and be handled. */
  settle(): void {
    this.#reconnect();
    for (let round = 0; this.#outbox.depth > 0; round++) {
      expect(round).toBeLessThan(1_000);
      this.#send();
      while (this.#wire.length > 0) this.#deliver(this.#wire.shift(), 'take');
      this.#outbox.acknowledge(this.#inbox.position().applied);
    }
    for (let round = 0; this.#inbox.depth().pending > 0; round++) {
      expect(round).toBeLessThan(1_000);
      this.#receiver.handle();
      this.#now = Math.max(this.#now, this.#inbox.nextRetry() ?? 0);
    }
  }

  /** Entries that the sender holds to be written, and that were not settled exactly once; and any settled twice. */
  unsettled(): string[] {
    const fates = this.#receiver.fates();
    const wrong = this.#sender.history.filter((body) => {
      const times = fates.get(body) ?? 0;
      return times !== 1 && !(times === 2 && this.#sender.offeredAgain.has(body));
    });
    const twice = [...fates].filter(([body, times]) => times > 1 && !this.#sender.offeredAgain.has(body));
    return [...wrong, ...twice.map(([body, times]) => `${body} × ${times}`)];
  }

  /** Entries that were handled at their first attempt before an older one was. */
  disorder(): string[] {
    const again = this.#sender.offeredAgain;
    const first = this.#receiver.firstAttempts().filter((body) => !again.has(body));
    const number = (body: string | undefined) => Number(body?.split(' ')[1] ?? 0);
    return first.filter((body, index) => number(body) < number(first[index - 1]));
  }

  /** What hello and welcome do. What was on the wire is gone. */
  #reconnect(): void {
    this.#wire = [];
    const peer = this.#inbox.position();
    if (this.#outbox.isBehind(peer)) this.#sender.renew(peer.peerLogId);
    const position = this.#outbox.position();
    this.#receiver.follow(position, this.#sender.history);
    this.#outbox.resume(this.#outbox.sharedWith(this.#inbox.position()) ?? position.oldest - 1);
  }

  #send(): void {
    const batch = this.#outbox.nextBatch();
    if (batch.length > 0) this.#wire.push(batch);
  }

  #deliver(batch: Entry[] | undefined, how: 'keep' | 'take', powerCutAt?: number): void {
    if (batch === undefined) return;
    const before = this.#inbox.position().applied;
    const received = this.#receiver.receive(batch, how, powerCutAt);
    if (received === 'power cut') {
      expect(this.#inbox.position().applied).toBe(before);
      this.#crash('receiver');
      return;
    }
    expect(received).toMatchObject({ ok: true, applied: Math.max(before, batch.at(-1)?.seq ?? 0) });
    expect(this.#inbox.position().applied).toBe(received.applied);
  }

  /** Messages vanish only with their socket. When some are lost and later ones are not, the gap is found. */
  #lose(): void {
    const [lost, next] = this.#wire;
    if (lost !== undefined && next !== undefined) {
      const { applied } = this.#inbox.position();
      const skipped = (next[0]?.seq ?? 0) > applied + 1;
      expect(this.#inbox.receive(next).ok).toBe(!skipped);
      if (skipped) expect(this.#inbox.position().applied).toBe(applied);
    }
    this.#reconnect();
  }

  #crash(side: Side): void {
    this.#of(side).reopen();
    this.#reconnect();
  }

  #restore(side: Side): void {
    if (side === 'sender') this.#sender.restore(this.#inbox.position().peerLogId);
    else this.#receiver.restore(this.#outbox.position());
    this.#reconnect();
  }

  #of(side: Side): Sender | Receiver {
    return side === 'sender' ? this.#sender : this.#receiver;
  }
}
