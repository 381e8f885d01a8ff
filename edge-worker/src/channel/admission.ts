import {
  type Caller,
  type CloseName,
  type Hello,
  type Join,
  type LogName,
  logName,
  PROTOCOL_VERSIONS,
} from '@clawdbot/protocol';
import type { Incumbency } from './rpc.ts';

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
  const protocol = commonVersion(hello);
  if (protocol === undefined) return refuse('unsupported', SPEAKS);
  if (hello.orchestratorId !== incumbent.orchestratorId || hello.lane !== incumbent.lane) {
    return refuse('malformed', 'hello names another orchestrator or lane than its token');
  }
  if (hello.generation > incumbent.generation + GENERATIONS_AHEAD_MAX) {
    return refuse('malformed', `generation ${hello.generation} cannot follow ${incumbent.generation}`);
  }
  const newer = successor(hello, incumbent);
  if (newer !== undefined) return refuse('superseded', newer);
  const stale = logName.options
    .map((log) => staleness(log, hello, incumbent))
    .find((why) => why !== undefined);
  if (stale !== undefined) return refuse('staleLog', `${stale}: an old copy of its database`);
  return { admit: true, protocol };
}

/** The lane that a `join` names must be its token's. */
interface LaneName {
  readonly orchestratorId: string;
  readonly lane: number;
}

/**
 * Whether a process may have a session on a lane beyond 0 (PROTOCOL S13): the one that lane 0 has welcomed last, and
 * no other. One that lane 0 does not know yet comes back.
 */
export function admitJoin(join: Join, { orchestratorId, lane }: LaneName, incumbent: Incumbency): Admission {
  const protocol = commonVersion(join);
  if (protocol === undefined) return refuse('unsupported', SPEAKS);
  if (join.orchestratorId !== orchestratorId || join.lane !== lane) {
    return refuse('malformed', 'join names another orchestrator or lane than its token');
  }
  if (join.generation > incumbent.generation) {
    return refuse('tooEarly', `lane 0 has not welcomed generation ${join.generation} yet`);
  }
  const newer = successor(join, { ...incumbent, instanceId: incumbent.instanceId });
  return newer === undefined ? { admit: true, protocol } : refuse('superseded', newer);
}

const commonVersion = ({ protocol }: Caller): number | undefined =>
  PROTOCOL_VERSIONS.find((version) => protocol.includes(version));
const SPEAKS = `this edge speaks protocol ${PROTOCOL_VERSIONS.join(', ')}: upgrade one side`;

/** Why a process that dials has lost its orchestrator to another. */
function successor(
  { generation, instanceId }: Caller,
  incumbent: Pick<Incumbent, 'generation' | 'instanceId'>,
): string | undefined {
  if (generation < incumbent.generation) {
    return `generation ${generation} is older than ${incumbent.generation}, which took over`;
  }
  if (generation === incumbent.generation && instanceId !== incumbent.instanceId) {
    return `another process has generation ${generation}: two run from copies of one database`;
  }
  return undefined;
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
