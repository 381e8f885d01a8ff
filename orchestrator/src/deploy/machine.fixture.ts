/** A machine of which the process dies, or its command is cancelled, at any step that is asked for. */
import type { Sql } from '@clawdbot/protocol';
import { Bench } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';
import type { Deployer } from './deployer.ts';

/**
 * Where a process may die: before a call to Cloudflare, a look at the Worker or a question to the edge has any effect,
 * behind it but before anybody knows, and before or behind each commit. Counted over a whole deployment, so that every
 * step is in it.
 */
type Moment = 'before a call' | 'behind a call' | 'before a commit' | 'behind a commit';
export const MOMENTS: readonly Moment[] = [
  'before a call',
  'behind a call',
  'before a commit',
  'behind a commit',
];

class Killed extends Error {}

/** A machine of which the process dies at the nth such moment. */
export class Machine extends Bench {
  counts: Record<Moment, number> = {
    'before a call': 0,
    'behind a call': 0,
    'before a commit': 0,
    'behind a commit': 0,
  };
  #at: { moment: Moment; n: number; then: 'die' | 'cancel' } | undefined;
  isDead = false;
  #hasProbed = false;
  #hasAsked = false;

  readonly #dying: Sql = {
    run: (text, ...params) => {
      if (this.isDead) throw new Killed();
      return this.sql.run(text, ...params);
    },
    transaction: <T>(work: () => T): T => {
      const result = this.sql.transaction(() => {
        const done = work();
        this.#pass('before a commit');
        return done;
      });
      this.#hasProbed = false;
      this.#hasAsked = false;
      this.#pass('behind a commit');
      return result;
    },
  };

  constructor() {
    super();
    this.cloudflare.serveBy(saying);
    // An event is committed with its fact, or is not.
    this.sql.run('CREATE TABLE told (command_id TEXT, status TEXT)');
    this.record = ({ data }) =>
      void this.sql.run('INSERT INTO told VALUES (?, ?)', String(data['commandId']), String(data['status']));
  }

  /** Of the questions between two commits the first one counts, as of the probes. */
  override tallies = async () => {
    const counts = !this.#hasAsked;
    this.#hasAsked = true;
    if (counts) this.#pass('before a call');
    const of = (answered: number) => ({ answered, failed: 0, apart: 0 });
    if (counts) this.#pass('behind a call');
    const at = this.now;
    return [{ lane: 0, tally: { since: at, at, version: of(25), before: of(75), others: of(0) } }];
  };

  /** The process that may die. */
  process(): Deployer {
    return this.deployer({ sql: this.#dying, fetcher: this.#fetcher });
  }

  dieAt(moment: Moment, n: number): void {
    this.#await(moment, n, 'die');
  }

  /** It is cancelled then, and lives on. */
  cancelAt(moment: Moment, n: number): void {
    this.#await(moment, n, 'cancel');
  }

  #await(moment: Moment, n: number, then: 'die' | 'cancel'): void {
    this.#at = { moment, n, then };
    this.counts = { 'before a call': 0, 'behind a call': 0, 'before a commit': 0, 'behind a commit': 0 };
  }

  live(): void {
    this.#at = undefined;
    this.isDead = false;
    this.reboot();
  }

  /** Of the probes between two commits, which are all alike, the first one counts. */
  readonly #fetcher: typeof fetch = async (input, init) => {
    const isProbe = !String(input).includes('/accounts/');
    const counts = !isProbe || !this.#hasProbed;
    this.#hasProbed = isProbe;
    if (counts) this.#pass('before a call');
    const answer = await this.cloudflare.fetcher(input, init);
    if (counts) this.#pass('behind a call');
    return answer;
  };

  #pass(moment: Moment): void {
    if (this.isDead) throw new Killed();
    const n = ++this.counts[moment];
    if (this.#at?.moment !== moment || this.#at.n !== n) return;
    if (this.#at.then === 'cancel') {
      this.cancel();
      return;
    }
    this.isDead = true;
    this.stop();
    throw new Killed();
  }
}
