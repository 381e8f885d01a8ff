import { type CloseName, type Hello, PROTOCOL_VERSIONS } from '@clawdbot/protocol';

/** What this object remembers of its orchestrator's newest process. */
export interface Incumbent {
  readonly orchestratorId: string;
  readonly lane: number;
  readonly generation: number;
  readonly instanceId: string | undefined;
  /** How far the orchestrator's own log was applied here, and which log that was. */
  readonly logId: string | undefined;
  readonly applied: number;
}

export type Admission =
  | { readonly admit: true; readonly protocol: number }
  | { readonly admit: false; readonly close: CloseName; readonly reason: string };

/** A boot a second for eleven days. Without it one hello could raise the generation past what any other reaches. */
const GENERATIONS_AHEAD_MAX = 1_000_000;

const refuse = (close: CloseName, reason: string): Admission => ({ admit: false, close, reason });

/**
 * Whether a process that says hello may have this orchestrator's session (PROTOCOL S4–S7): the newest
 * generation wins, an equal one must be the same process dialling again, a lower one never comes back.
 */
export function admit(hello: Hello, incumbent: Incumbent): Admission {
  const protocol = PROTOCOL_VERSIONS.find((version) => hello.protocol.includes(version));
  if (protocol === undefined) {
    return refuse(
      'unsupported',
      `this edge speaks protocol ${PROTOCOL_VERSIONS.join(', ')}: upgrade one side`,
    );
  }
  if (hello.orchestratorId !== incumbent.orchestratorId || hello.lane !== incumbent.lane) {
    return refuse('malformed', 'hello names another orchestrator or lane than its token');
  }
  if (hello.generation > incumbent.generation + GENERATIONS_AHEAD_MAX) {
    return refuse('malformed', `generation ${hello.generation} cannot follow ${incumbent.generation}`);
  }
  if (hello.generation < incumbent.generation) {
    return refuse(
      'superseded',
      `generation ${hello.generation} is older than ${incumbent.generation}, which took over`,
    );
  }
  if (hello.generation === incumbent.generation && hello.instanceId !== incumbent.instanceId) {
    return refuse(
      'superseded',
      `another process has generation ${hello.generation}: two run from copies of one database`,
    );
  }
  const { logId, last } = hello.logs.control;
  if (logId === incumbent.logId && last < incumbent.applied) {
    return refuse(
      'staleLog',
      `its log ends at ${last} but ${incumbent.applied} were acknowledged: an old copy of its database`,
    );
  }
  return { admit: true, protocol };
}
