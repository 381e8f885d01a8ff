import type { CommandState } from '@clawdbot/protocol';

/** Where a log stands, as its owner and its follower have it. */
interface LogPosition {
  readonly logId: string;
  /** The last entry written, or taken. */
  readonly at: number;
}

/** A command in the edge's object. */
export interface EdgeCommand {
  readonly id: string;
  readonly type: string;
  readonly siteId: string;
  readonly state: CommandState;
  readonly seq: number;
  readonly key: string | null;
  readonly generation: number | null;
  readonly history: readonly CommandState[];
}

/** A command in the database of the VPS. */
export interface VpsCommand {
  readonly id: string;
  readonly seq: number;
  readonly logId: string;
  readonly state: string;
  /** How it ended. */
  readonly outcome: CommandState | null;
}

/** A site's config: the generation, and which edit made it. */
export interface SiteConfig {
  readonly siteId: string;
  readonly generation: number;
  readonly edit: string | null;
}

/** One side's database: the same tables of the control log on both. */
export interface LogSide {
  /** Its own log, as far as it is written. */
  readonly written: LogPosition;
  /** The other side's, as far as it was taken. */
  readonly taken: LogPosition;
  /** How much of its own the other side has said it has taken. */
  readonly acknowledged: number;
  /** Bodies of entries that wait to be handled, and of those that could not be. */
  readonly inbox: { readonly pending: readonly string[]; readonly dead: readonly string[] };
  /** Ids of the events, in their order. */
  readonly events: readonly string[];
  /** SQLite's own word: `ok`. */
  readonly integrity: string;
}

export interface EdgeSide extends LogSide {
  readonly commands: readonly EdgeCommand[];
  readonly desired: readonly SiteConfig[];
}

export interface VpsSide extends LogSide {
  readonly commands: readonly VpsCommand[];
  readonly running: readonly SiteConfig[];
  /** The copy of the existing API's customers: name by id. */
  readonly rows: ReadonlyMap<string, string>;
  /** How often what happens to a command once, `<id> uploaded` and `<id> ended`, was written to the log. */
  readonly told: ReadonlyMap<string, number>;
}

export interface D1 {
  /** State by id. */
  readonly commands: ReadonlyMap<string, string>;
  readonly events: readonly string[];
  /** The organisation's customers: name by id. */
  readonly rows: ReadonlyMap<string, string>;
}

/** All that the system holds after a round. */
export interface Evidence {
  readonly edge: EdgeSide;
  readonly vps: VpsSide;
  readonly d1: D1;
  /** Versions that were uploaded, by the command whose tag they carry. */
  readonly versions: ReadonlyMap<string, number>;
  /** The edit whose variables a version was given, by the command whose tag it carries; null: none. */
  readonly carried: ReadonlyMap<string, string | null>;
  /** Per Worker the command whose version serves. */
  readonly serving: ReadonlyMap<string, string>;
}
