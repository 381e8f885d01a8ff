import type { Ledger } from './ledger.ts';

import type { Fault } from './plan.ts';
import type { Outcome } from './round.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

/** What all rounds together were and came to. */
export class Tally {
  #rounds = 0;
  #commands = 0;
  #events = 0;
  #submissions = 0;
  #repeats = 0;
  #slowestMs = 0;
  readonly #faults = new Map<string, number>();
  readonly #violations = new Map<Violation['kind'], number>();

  add({ plan, verdict, recoveryMs }: Outcome, given: Ledger): void {
    this.#rounds += 1;
    this.#slowestMs = Math.max(this.#slowestMs, recoveryMs);
    this.#submissions = given.submissions.length;
    this.#repeats = given.submissions.reduce((sum, { sent }) => sum + sent - 1, 0);
    this.#commands = verdict.evidence?.edge.commands.length ?? this.#commands;
    this.#events = verdict.evidence?.vps.events.length ?? this.#events;
    for (const { fault } of plan.strikes) increase(this.#faults, nameOf(fault));
    for (const { kind } of verdict.violations) increase(this.#violations, kind);
  }

  /** SIGKILLs: one for each process. */
  get kills(): number {
    const killed = [...this.#faults].filter(([name]) => name.startsWith('SIGKILL'));
    return killed.reduce((sum, [name, times]) => sum + times * name.split('+').length, 0);
  }

  /** Two columns, for a person. */
  toString(): string {
    const rows: [string, string | number][] = [
      ['rounds', this.#rounds],
      ['SIGKILLs', this.kills],
      ...[...this.#faults].sort().map(([name, times]): [string, number] => [`  ${name}`, times]),
      ['submissions', this.#submissions],
      ['  sent again, since the answer was lost', this.#repeats],
      ['commands', this.#commands],
      ['events', this.#events],
      ...VIOLATIONS.map((kind): [string, number] => [kind, this.#violations.get(kind) ?? 0]),
      ['slowest recovery', `${(this.#slowestMs / 1_000).toFixed(1)} s`],
    ];
    const width = Math.max(...rows.map(([name]) => name.length));
    return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
  }
}

const nameOf = (fault: Fault): string => {
  if (fault.kind === 'kill') return `SIGKILL ${fault.victims.join('+')}`;
  return fault.kind === 'd1' ? `D1 ${fault.state}` : fault.kind;
};

const increase = <Key>(counts: Map<Key, number>, key: Key): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);
