import type { Mutation } from '../sandbox/mutation.ts';
import type { Violation } from './violation.ts';

/** A build that breaks one promise, and what the oracle must say of it. */
export interface Mutant {
  readonly name: string;
  readonly mutations: readonly Omit<Mutation, 'name'>[];
  readonly seenAs: Violation['kind'];
  /** The round of the suite's seed from which on it is soon found. */
  readonly from: number;
}

/** Blocks the process without letting go of its turn: a SIGKILL finds it between two statements. */
const BLOCK = 'try { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60); } catch {}';

const slow = (ms: number): string => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;
const UPLOADS = [
  'const versionId = await api.addVersion({ name, tag, form }, context);',
  'const { deploymentId, traffic, before } = await api.create({ name, tag, form }, context);',
];
const uploads = (slowed: (upload: string) => string): Mutant['mutations'] =>
  UPLOADS.map((find) => ({ file: 'orchestrator/src/deploy/uploading.ts', find, replace: slowed(find) }));
/** Uploads and their records lie apart: whoever stops, or takes over, finds a deployment between them. */
const SLOW_DEPLOYMENTS = uploads((upload) => `${upload} ${slow(250)}`);
/** Uploads and the look for an earlier one lie further apart than it takes to start: who takes over finds none. */
const SLOW_UPLOADS = uploads((upload) => `${slow(2_000)} ${upload}`);

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'entries are acknowledged before they are committed',
    seenAs: 'lost',
    from: 0,
    mutations: [
      {
        file: 'orchestrator/src/link/stream.ts',
        find: 'if (this.#received.length === 1) this.#log.clock.defer(() => this.#attempt(() => this.#commit()));',
        replace: `this.#options.sender.push({ type: 'ack', log: this.#log.name, applied: entry.seq });
          if (this.#received.length === 1) this.#log.clock.after(250, () => this.#attempt(() => this.#commit()));`,
      },
    ],
  },
  {
    name: 'the position is committed in another transaction than the entries',
    seenAs: 'lost',
    from: 13,
    mutations: [
      {
        file: 'protocol/src/log/inbox.ts',
        find: 'return this.#sql.transaction((): Received => {',
        replace: 'return ((work: () => Received) => work())((): Received => {',
      },
      {
        file: 'protocol/src/log/inbox.ts',
        find: 'this.#keep(take(',
        replace: `this.#peer.moveTo(tail);
          ${BLOCK}
          this.#keep(take(`,
      },
    ],
  },
  {
    name: 'a command’s end and the entry that tells of it are two transactions',
    seenAs: 'lost',
    from: 13,
    mutations: [
      {
        file: 'orchestrator/src/commands/ledger.ts',
        find: 'this.#reports.ended(command, outcome);\n      return true;',
        replace: 'setTimeout(() => this.#reports.ended(command, outcome), 150);\n      return true;',
      },
    ],
  },
  {
    name: 'a deployment that is taken up again does not ask Cloudflare for its version',
    seenAs: 'two effects',
    from: 14,
    mutations: [
      {
        file: 'orchestrator/src/deploy/uploading.ts',
        find: 'isRepeat ? await api.tagged(name, tag, signal) : undefined',
        replace: 'undefined as string | undefined',
      },
      ...SLOW_DEPLOYMENTS,
    ],
  },
  {
    name: 'the Idempotency-Key is forgotten',
    seenAs: 'twice',
    from: 3,
    mutations: [
      {
        file: 'edge-worker/src/channel/commands.ts',
        find: 'command.idempotencyKey ?? null,',
        replace: 'null,',
      },
    ],
  },
  {
    name: 'a deployment does not wait for the edits before it',
    seenAs: 'order',
    from: 13,
    mutations: [
      {
        file: 'orchestrator/src/commands/table.ts',
        find: 'older.key IN (deployment.key, ? || deployment.site_id)',
        replace: 'older.key IN (deployment.key, substr(?, 1, 0))',
      },
      {
        file: 'orchestrator/src/commands/runner.ts',
        find: 'if (this.#configs.applySome())',
        replace: `while (this.#running.size < PARALLEL && this.#startNext());
      if (this.#configs.applySome())`,
      },
    ],
  },
];

/** Of two processes on one database the older one does not look whose it is now, and goes on. */
export const LEASELESS: Pick<Mutant, 'name' | 'mutations'> = {
  name: 'no lease is held',
  mutations: [
    ...SLOW_UPLOADS,
    {
      file: 'orchestrator/src/commands/runner.ts',
      find: 'halt(error: Error): void {',
      replace: 'halt(error: Error): void {\n    if (error) return;',
    },
    {
      file: 'orchestrator/src/store/store.ts',
      find: 'guard: () => holdLease(unguarded, generation),',
      replace: '',
    },
  ],
};

/** With their mutant's name, as the system under test is given them. */
export const mutationsOf = ({ name, mutations }: Pick<Mutant, 'name' | 'mutations'>): Mutation[] =>
  mutations.map((mutation) => ({ name, ...mutation }));
