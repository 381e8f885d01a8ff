import {
  type Command,
  type CommandState,
  commandState,
  int,
  type Sql,
  type SqlRow,
  text,
} from '@clawdbot/protocol';

/**
 * Milestones kept of one command: a deployment has some ten. An orchestrator that tells more fills no object with
 * them; the last one kept says so.
 */
const MILESTONES_MAX = 200;
const NO_MORE = 'further milestones are not kept';

/** What a command went through: its states, each once, and the milestones that its orchestrator told. */
export class CommandHistory {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  state(id: string, state: CommandState, at: number, reason: string | undefined): void {
    this.#note(id, 'state', state, at, reason);
  }

  /** One that is told again, after a database was restored, is the same value at the same time: noted once. */
  milestone(id: string, milestone: string, at: number, detail: string | undefined): void {
    const [known] = this.#sql.run(
      `SELECT COUNT(*) AS n, MAX(value = ? AND at = ?) AS told FROM command_history
       WHERE command_id = ? AND kind = 'milestone'`,
      milestone,
      at,
      id,
    );
    const kept = int(known, 'n');
    if (kept >= MILESTONES_MAX || known?.['told'] === 1) return;
    if (kept === MILESTONES_MAX - 1) this.#note(id, 'milestone', NO_MORE, at, undefined);
    else this.#note(id, 'milestone', milestone, at, detail);
  }

  of(id: string): Pick<Command, 'history' | 'milestones'> {
    const notes = this.#sql.run(
      `SELECT kind, value, at, detail FROM command_history WHERE command_id = ? ORDER BY n`,
      id,
    );
    return {
      history: notes.filter((note) => note['kind'] === 'state').map(stateOf),
      milestones: notes.filter((note) => note['kind'] === 'milestone').map(milestoneOf),
    };
  }

  #note(
    id: string,
    kind: 'state' | 'milestone',
    value: string,
    at: number,
    detail: string | undefined,
  ): void {
    this.#sql.run(
      `INSERT INTO command_history
         SELECT ?1, COALESCE(MAX(n), 0) + 1, ?2, ?3, ?4, ?5 FROM command_history WHERE command_id = ?1`,
      id,
      kind,
      value,
      at,
      detail ?? null,
    );
  }
}

const stateOf = (note: SqlRow) => ({
  state: commandState.parse(note['value']),
  at: int(note, 'at'),
  ...(note['detail'] === null ? {} : { reason: text(note, 'detail') }),
});

const milestoneOf = (note: SqlRow) => ({
  milestone: text(note, 'value'),
  at: int(note, 'at'),
  ...(note['detail'] === null ? {} : { detail: text(note, 'detail') }),
});
