import { type CloseName, type Hello, type LogName, logName, PROTOCOL_VERSIONS } from '@clawdbot/protocol';

/** What this object remembers of its orchestrator's newest process. */
export interface Incumbent {
  readonly orchestratorId: string;
  readonly lane: number;
  readonly generation: number;
  readonly instanceId: string | undefined;
  /** How far each of the orchestrator's own logs was applied here, and which log that was. */
  readonly followed: (log: LogName) => { readonly peerLogId?: string; readonly applied: number };
  /** Has the orchestrator left this log of its for another? */
  readonly isRetired: (log: LogName, logId: string) => boolean;
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
  const stale = logName.options
    .map((log) => staleness(log, hello, incumbent))
    .find((why) => why !== undefined);
  if (stale !== undefined) return refuse('staleLog', `${stale}: an old copy of its database`);
  return { admit: true, protocol };
}

/** Why a log shows that its database is an old copy (PROTOCOL S7). */
function staleness(log: LogName, { logs }: Hello, { followed, isRetired }: Incumbent): string | undefined {
  const theirs = logs[log];
  if (theirs === undefined) return undefined;
  const { peerLogId, applied } = followed(log);
  if (isRetired(log, theirs.logId)) return `its ${log} log was replaced by a newer one`;
  if (theirs.logId !== peerLogId || theirs.last >= applied) return undefined;
  return `its ${log} log ends at ${theirs.last} but ${applied} were acknowledged`;
}
