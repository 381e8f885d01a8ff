import {
  BATCH_ENTRIES_MAX,
  type Command,
  digestOf,
  type EntryToOrchestrator,
  edgeCodec,
  Failure,
  isFinal,
  type Outbox,
  orderedId,
  type RandomBytes,
  type Sql,
} from '@clawdbot/protocol';
import type { Blobs } from './blobs.ts';
import { encoded, withdrawn } from './command-entry.ts';
import type { CommandQueue } from './command-queue.ts';
import type { Commands, NewCommand } from './commands.ts';
import type { ConfigHistory } from './config-history.ts';
import type { ConfigReports } from './config-reports.ts';
import type { Configs, NextConfig } from './configs.ts';
import type { Deployments } from './deployments.ts';
import type { PreparedModule } from './modules.ts';
import type { KeptWorker } from './move/rpc.ts';
import type {
  AdoptSubmission,
  ConfigSubmission,
  DeploySubmission,
  RollbackSubmission,
  Taken,
} from './rpc.ts';
import type { Secrets } from './secrets.ts';

export interface ControlParts {
  readonly sql: Sql;
  readonly outbox: Outbox;
  readonly commands: Commands;
  readonly commandQueue: CommandQueue;
  readonly configs: Configs;
  readonly history: Pick<ConfigHistory, 'prune' | 'inForce'>;
  readonly reports: Pick<ConfigReports, 'isQuarantined'>;
  readonly blobs: Blobs;
  readonly deployments: Pick<Deployments, 'asked'>;
  readonly secrets: Pick<Secrets, 'list'>;
  readonly orchestratorId: string;
  readonly now: () => number;
  readonly random: RandomBytes;
}

/** What a submission says of its command. */
type Asked = Pick<NewCommand, 'siteId' | 'actor' | 'requestDigest' | 'idempotencyKey'>;
interface Envelope {
  commandId: string;
  siteId: string;
  expiresAt?: number;
}

/** Entries that may go at a time: more than one acknowledgement usually covers, so that a log does not grow by it. */
const COMPACT_ROWS = 2 * BATCH_ENTRIES_MAX;

/**
 * The control plane: each change of a fact and the log entry that announces it are one transaction, so that
 * nothing is announced that did not happen, and nothing happens unannounced.
 */
export class Control {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  deploy(submission: DeploySubmission, modules: readonly PreparedModule[]): Taken {
    const { modules: _sources, expiresInMs, ...fields } = submission.payload;
    const refs = modules.map(({ path, sha256, bytes }) => ({ path, sha256, bytes: bytes.length }));
    return this.#once(submission, { ...fields, modules: refs }, (asked) => {
      this.#parts.configs.site(submission.siteId);
      this.#refuseUnset(submission);
      const taken = this.#queue(
        { ...asked, type: 'deploy_worker', subject: fields.name, expiresInMs },
        (envelope) => ({
          type: 'deploy_worker',
          ...envelope,
          ...fields,
          modules: refs,
        }),
      );
      for (const { sha256, bytes } of modules) this.#parts.blobs.put(taken.commandId, sha256, bytes);
      return taken;
    });
  }

  rollback(submission: RollbackSubmission): Taken {
    const { expiresInMs, ...fields } = submission.payload;
    return this.#once(submission, { rollback: fields }, (asked) => {
      this.#parts.configs.site(submission.siteId);
      return this.#queue(
        { ...asked, type: 'rollback_worker', subject: fields.name, expiresInMs },
        (envelope) => ({ type: 'rollback_worker', ...envelope, ...fields }),
      );
    });
  }

  adopt(submission: AdoptSubmission): Taken {
    const { expiresInMs, ...fields } = submission.payload;
    return this.#once(submission, { adopt: fields }, (asked) => {
      this.#parts.configs.site(submission.siteId);
      return this.#queue(
        { ...asked, type: 'adopt_worker', subject: fields.name, expiresInMs },
        (envelope) => ({ type: 'adopt_worker', ...envelope, ...fields }),
      );
    });
  }

  updateConfig(submission: ConfigSubmission): Taken {
    const { siteId, payload, actor } = submission;
    const { configs, history, now } = this.#parts;
    const { expiresInMs, ...edit } = payload;
    return this.#once(submission, edit, (asked) => {
      const next = configs.next(siteId, payload);
      const there = history.inForce(siteId);
      if (there?.digest === next.digest) return { ...there.taken, unchanged: true };
      this.#supersede(siteId);
      const taken = this.#queueConfig(next, { ...asked, expiresInMs });
      const { commandId } = taken;
      configs.commit(siteId, next, { at: now(), actor, note: payload.note, commandId });
      history.prune(siteId, next.generation);
      return taken;
    });
  }

  /** Withdraws a command that was never sent, or asks the orchestrator to stop one that was. */
  cancel(id: string, actor: string): Command {
    const { sql, commands, outbox } = this.#parts;
    sql.transaction(() => {
      const { state, seq } = commands.position(id);
      if (state === 'cancelled') return;
      if (isFinal(state)) throw new Failure('conflict', `the command has already ${state}`);
      const reason = `cancelled by ${actor}`;
      if (this.#withdraw({ id, seq }, 'cancelled', reason)) return;
      outbox.append(edgeCodec.encodeEntry({ type: 'cancel_command', commandId: id, reason }));
      commands.milestone(id, 'cancel requested', this.#parts.now(), reason);
    });
    return commands.get(id);
  }

  /** The site is gone: what was queued for it is withdrawn. @returns how many commands that were, and are left */
  removeSite(siteId: string): { cancelled: number; left: number } {
    const { sql, commandQueue, configs, outbox } = this.#parts;
    return sql.transaction(() => {
      const queued = commandQueue.queued(siteId);
      for (const command of queued) this.#withdraw(command, 'cancelled', 'the site was deleted');
      if (configs.remove(siteId)) outbox.append(edgeCodec.encodeEntry({ type: 'remove_site', siteId }));
      return { cancelled: queued.length, left: commandQueue.open(siteId) };
    });
  }

  /**
   * The site is another object's from here on. What its orchestrator has of its commands stays here, and is told of when
   * that comes back. In the caller's transaction.
   */
  leave(siteId: string, target: string): void {
    const { commands, commandQueue, configs, now } = this.#parts;
    for (const { id } of commandQueue.underWay(siteId))
      commands.milestone(
        id,
        'left behind',
        now(),
        `the site was moved to ${target}, and this had been sent before`,
      );
    configs.remove(siteId);
  }

  /** The orchestrator may forget a site that has left before. In the caller's transaction. */
  forgetSite(siteId: string, movedTo: string): void {
    this.#parts.outbox.append(edgeCodec.encodeEntry({ type: 'remove_site', siteId, movedTo }));
  }

  /** Has a Worker taken over that another orchestrator has deployed. In the caller's transaction. Throws `Failure('log_full')`. */
  takeOver(siteId: string, { name, ...deployed }: KeptWorker, actor: string): void {
    const asked = {
      siteId,
      actor,
      requestDigest: digestOf({ siteId, name, ...deployed }),
      expiresInMs: undefined,
    };
    this.#queue({ ...asked, type: 'adopt_worker', subject: name }, (envelope) => ({
      ...{ type: 'adopt_worker', ...envelope, name },
      deployed,
    }));
  }

  /**
   * Sends a generation of a site's config anew, unless it was refused too often.
   * @returns the command, if one was made
   */
  sendConfig(siteId: string, generation: number, actor = 'resync'): string | undefined {
    const { configs, reports } = this.#parts;
    const known = configs.at(siteId, generation);
    if (known === undefined || reports.isQuarantined(siteId, generation)) return undefined;
    const asked = { siteId, actor, requestDigest: known.digest, expiresInMs: undefined };
    const { commandId } = this.#queueConfig(known, asked);
    configs.broughtBy(siteId, generation, commandId);
    return commandId;
  }

  /** Ends queued commands whose time is up. What was already sent, the orchestrator ends by the same rule. */
  expire(): void {
    const { sql, commandQueue } = this.#parts;
    sql.transaction(() => {
      for (const queued of commandQueue.expired())
        this.#withdraw(queued, 'expired', 'it was not delivered in time');
    });
  }

  acknowledged(applied: number): void {
    const { sql, outbox, commands } = this.#parts;
    sql.transaction(() => {
      commands.delivered(outbox.acknowledge(applied), applied);
      outbox.compact(COMPACT_ROWS);
    });
  }

  /** The VPS would find it too, but not before the command's turn has come. */
  #refuseUnset({ siteId, payload: { secrets = {} } }: DeploySubmission): void {
    const wanted = Object.entries(secrets);
    if (wanted.length === 0) return;
    const set = new Set(this.#parts.secrets.list(siteId).map(({ name }) => name));
    const [missing] = wanted.filter(([, ref]) => !set.has(ref));
    if (missing === undefined) return;
    const [name, ref] = missing;
    throw new Failure(
      'bad_request',
      `payload.secrets.${name}: the secret "${ref}" is not set: clawctl secrets set ${siteId} ${ref}`,
    );
  }

  /** Takes a submission once: a repeat with the same key and request gets the first answer. */
  #once(
    submission: DeploySubmission | RollbackSubmission | AdoptSubmission | ConfigSubmission,
    request: unknown,
    take: (asked: Asked) => Taken,
  ): Taken {
    const { siteId, actor, idempotencyKey } = submission;
    const requestDigest = digestOf({ siteId, request });
    const { sql, commands } = this.#parts;
    return sql.transaction(
      () =>
        commands.repeated(idempotencyKey, requestDigest) ??
        take({ siteId, actor, requestDigest, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }),
    );
  }

  #queueConfig(next: NextConfig, asked: Asked & { expiresInMs: number | undefined }): Taken {
    const { generation } = next;
    const command = {
      ...asked,
      type: 'update_config',
      subject: `generation ${generation}`,
      generation,
    } as const;
    return this.#queue(command, (envelope) => ({ type: 'update_config', ...envelope, ...next }));
  }

  #queue(
    {
      expiresInMs,
      ...command
    }: Asked & Pick<NewCommand, 'type' | 'subject' | 'generation'> & { expiresInMs: number | undefined },
    entry: (envelope: Envelope) => EntryToOrchestrator,
  ): Taken {
    const { outbox, commands, deployments, orchestratorId, now, random } = this.#parts;
    const id = `cmd_${orchestratorId}_${orderedId(now(), random)}`;
    const expiry = expiresInMs === undefined ? {} : { expiresAt: now() + expiresInMs };
    const seq = outbox.append(encoded(entry({ commandId: id, siteId: command.siteId, ...expiry })));
    const { type, siteId, subject } = command;
    if (type !== 'update_config') deployments.asked({ commandId: id, siteId, type, name: subject });
    return commands.insert({ ...command, id, seq, ...expiry });
  }

  /** A newer generation makes older ones that never left pointless, but for those that a deployment waits for. */
  #supersede(siteId: string): void {
    const queued = this.#parts.commandQueue.queued(siteId);
    const deployments = queued.filter(({ type }) => type === 'deploy_worker');
    const behind = Math.max(0, ...deployments.map(({ seq }) => seq));
    for (const command of queued) {
      if (command.type === 'update_config' && command.seq > behind)
        this.#withdraw(command, 'cancelled', 'superseded');
    }
  }

  /** Puts nothing in the place of an entry that was never on a wire. @returns false when it was */
  #withdraw(queued: { id: string; seq: number }, state: 'cancelled' | 'expired', reason: string): boolean {
    const { outbox, commands, blobs, now } = this.#parts;
    if (!outbox.replace(queued.seq, withdrawn(queued.id))) return false;
    commands.move(queued.id, state, now(), { reason });
    blobs.release(queued.id);
    return true;
  }
}
