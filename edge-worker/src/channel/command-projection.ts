import type { CommandFacts } from './command-facts.ts';
import type { Group, Projection } from './projector.ts';

const GROUP_ROWS = 500;
/** A bound parameter is at most 2 MB, and a character at most four bytes. */
const GROUP_CHARACTERS = 400_000;

/** Commands as lists show them. The version guards the row: a late or repeated projection changes nothing. */
export class CommandProjection implements Projection {
  readonly statement = `
    INSERT INTO orc_commands (id, org_id, orchestrator_id, site_id, type, subject, state, reason, created_by,
      error, created_at, updated_at, expires_at, version)
    SELECT value ->> 'id', ?1, ?2, value ->> 'siteId', value ->> 'type', value ->> 'subject', value ->> 'state',
      value ->> 'reason', value ->> 'createdBy', value ->> 'error', value ->> 'createdAt', value ->> 'updatedAt',
      value ->> 'expiresAt', value ->> 'version'
    FROM json_each(?3) WHERE true
    ON CONFLICT (id) DO UPDATE SET orchestrator_id = excluded.orchestrator_id, subject = excluded.subject, state = excluded.state, reason = excluded.reason,
      error = excluded.error, updated_at = excluded.updated_at, version = excluded.version
    WHERE excluded.version > orc_commands.version`;
  readonly #facts: Pick<CommandFacts, 'unprojected' | 'projected'>;

  constructor(facts: Pick<CommandFacts, 'unprojected' | 'projected'>) {
    this.#facts = facts;
  }

  next(): Group | undefined {
    const facts = this.#facts.unprojected(GROUP_ROWS);
    const rows = fitting(facts.map((fact) => JSON.stringify(fact)));
    if (rows.length === 0) return undefined;
    return { rows: `[${rows}]`, done: () => this.#facts.projected(facts.slice(0, rows.length)) };
  }
}

/** The first of them that fit one statement; one does in any case, since the entry that brought it is far smaller. */
function fitting(rows: readonly string[]): readonly string[] {
  let characters = 0;
  const end = rows.findIndex((row, n) => {
    characters += row.length + 1;
    return n > 0 && characters > GROUP_CHARACTERS;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
