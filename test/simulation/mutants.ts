import type { Mutation } from '../sandbox/mutation.ts';
import type { Fault } from './faults.ts';

/** A build that breaks one promise, and what the judge must say of it. */
export interface Mutant {
  readonly name: string;
  readonly seenAs: RegExp;
  /** The faults that show it; without them the usual mix, which shows it soon enough. */
  readonly only?: readonly Fault[];
  readonly mutations: readonly Omit<Mutation, 'name'>[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'entries are acknowledged before they are committed',
    seenAs: /the VPS acknowledged/,
    mutations: [
      {
        file: 'orchestrator/src/link/stream.ts',
        find: 'if (this.#received.length === 1) this',
        replace: `this.#options.sender.push({ type: 'ack', log: this.#log.name, applied: entry.seq });
          if (this.#received.length === 1) this`,
      },
    ],
  },
  {
    name: 'the position is committed in another transaction than the entries',
    seenAs: /lacks|is stuck: delivered|has nothing/,
    only: ['orchestrator power in a statement', 'edge power in a turn'],
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
          this.#keep(take(`,
      },
    ],
  },
  {
    name: 'an older process does not look whose the database is now',
    seenAs: /committed when .* had taken over/,
    only: ['second process'],
    mutations: [
      {
        file: 'orchestrator/src/store/store.ts',
        find: 'guard: () => holdLease(unguarded, generation),',
        replace: '',
      },
    ],
  },
  {
    name: 'a command’s end and the entry that tells of it are two transactions',
    seenAs: /is stuck: (delivered|running)/,
    only: ['orchestrator power'],
    mutations: [
      {
        file: 'orchestrator/src/commands/ledger.ts',
        find: 'this.#reports.ended(command, outcome);\n      return true;',
        replace: 'setTimeout(() => this.#reports.ended(command, outcome), 150);\n      return true;',
      },
    ],
  },
  {
    name: 'an event is written behind the transaction of its fact',
    seenAs: /no event tells/,
    only: ['orchestrator power'],
    mutations: [
      {
        file: 'orchestrator/src/settings/settings.ts',
        find: "events.record({ type: 'config_change', siteId, data: { status: 'applied', generation, digest } });",
        replace:
          "setTimeout(() => events.record({ type: 'config_change', siteId, data: { status: 'applied', generation, digest } }), 150);",
      },
    ],
  },
  {
    name: 'after a hibernation the edge listens to sockets of older sessions',
    seenAs: /is stuck|entries of control/,
    only: ['stale socket', 'object asleep', 'VPS restored'],
    mutations: [
      {
        file: 'edge-worker/src/channel/sockets.ts',
        find: 'if (socket.readyState !== WebSocket.OPEN) continue;',
        replace: '',
      },
      {
        file: 'edge-worker/src/channel/succession.ts',
        find: "return fence === this.#parts.meta.number('fence');",
        replace: 'return fence > 0;',
      },
    ],
  },
  {
    name: 'the Idempotency-Key is forgotten',
    seenAs: /was taken twice/,
    mutations: [
      {
        file: 'edge-worker/src/channel/commands.ts',
        find: 'command.idempotencyKey ?? null,',
        replace: 'null,',
      },
    ],
  },
  {
    name: 'what D1 refuses counts as written',
    seenAs: /D1 (lacks|shows)/,
    only: ['D1 trouble'],
    mutations: [
      {
        file: 'edge-worker/src/channel/projector.ts',
        find: 'await queried(written, WRITE_DEADLINE_MS);\n    group.done();',
        replace: 'group.done();\n    await queried(written, WRITE_DEADLINE_MS);',
      },
    ],
  },
  {
    name: 'the cursor of shared rows moves whether or not their entries are written',
    seenAs: /is at position \d+ in D1/,
    only: ['edge power'],
    mutations: [
      {
        file: 'edge-worker/src/channel/shared-rows.ts',
        find: 'for (const chunk of chunksOf(bodies)) outbox.appendAll(chunk);',
        replace: 'setTimeout(() => chunksOf(bodies).forEach((chunk) => outbox.appendAll(chunk)), 50);',
      },
    ],
  },
  {
    name: 'an entry that cannot be read is passed over',
    seenAs: /without a letter/,
    mutations: [
      {
        file: 'edge-worker/src/channel/handling.ts',
        find: "if ('error' in read) unreadable.push(item);",
        replace: "if ('error' in read) continue;",
      },
    ],
  },
  {
    name: 'a deployment that is offered again is not marked as such',
    seenAs: /was uploaded 2 times/,
    only: ['VPS restored', 'half open'],
    mutations: [
      {
        file: 'edge-worker/src/channel/resync.ts',
        find: 'JSON.stringify({ ...JSON.parse(body), again: true })',
        replace: 'body',
      },
    ],
  },
  {
    name: 'a deployment that was open in a backup is not marked either',
    seenAs: /was uploaded 2 times/,
    only: ['VPS restored', 'half open'],
    mutations: [
      {
        file: 'orchestrator/src/store/restore.ts',
        find: 'for (const statement of MARK_DEPLOYMENTS) sql.run(statement);',
        replace: '',
      },
    ],
  },
];

/** With their mutant's name, as a process is given them. */
export const mutationsOf = ({ name, mutations }: Mutant): Mutation[] =>
  mutations.map((mutation) => ({ name, ...mutation }));
