import { type Hello, type Sql, text } from '@clawdbot/protocol';
import type { Blobs } from './blobs.ts';
import { withdrawn } from './command-entry.ts';
import type { CommandRecall, Unfinished } from './command-recall.ts';
import type { Commands } from './commands.ts';
import type { ConfigReports } from './config-reports.ts';
import type { Configs, KnownSite } from './configs.ts';
import type { Control } from './control.ts';
import type { Logs } from './logs.ts';
import type { RemoteLetters } from './remote-letters.ts';
import type { Meta } from './store.ts';

export interface ResyncParts {
  readonly sql: Sql;
  readonly meta: Meta;
  readonly logs: Logs;
  readonly commands: Pick<Commands, 'move' | 'moveTo'>;
  readonly recall: CommandRecall;
  readonly configs: Configs;
  readonly reports: Pick<ConfigReports, 'ran' | 'refused'>;
  readonly control: Control;
  readonly blobs: Pick<Blobs, 'release'>;
  readonly letters: Pick<RemoteLetters, 'forget'>;
  readonly now: () => number;
  /** The VPS lacks rows of the shared tables: all of them go to it again. */
  readonly shareAgain: () => void;
}

/** What the orchestrator says that it runs. */
type Running = Hello['sites'];
type Desired = Pick<KnownSite, 'siteId' | 'generation'>;

/**
 * Gives an orchestrator whose database is another one what it lacks (PROTOCOL L11, L12): what is not finished under
 * its own ids, and the configs that should run. What is finished stays finished. In the transaction of its admission.
 */
export class Resync {
  readonly #parts: ResyncParts;

  constructor(parts: ResyncParts) {
    this.#parts = parts;
  }

  /** Its database is new: first what is desired, then the deployments, which carry it. */
  emptied(): void {
    const { logs, meta, recall, configs, letters, shareAgain } = this.#parts;
    letters.forget('control', 0);
    letters.forget('queue', 0);
    const { outbox } = logs.control;
    const { acked } = outbox;
    if (meta.number('emptied_behind') === acked) {
      this.#emptiedAgain(acked);
      return;
    }
    meta.set('emptied_behind', acked);
    const open = recall.unfinished(0, outbox.position().last);
    for (const site of configs.all()) this.#sendConfig(site, undefined);
    for (const command of open) {
      if (command.type !== 'update_config' || command.seq <= acked) this.#giveAnew(command);
    }
    shareAgain();
  }

  /** Nothing was acknowledged since: what it lacks is in the log behind that, and would only be there twice. */
  #emptiedAgain(acked: number): void {
    const { logs, recall, configs } = this.#parts;
    for (const open of recall.unfinished(acked, logs.control.outbox.offered)) this.#mark(open);
    for (const site of configs.all()) {
      if (!recall.bringing(site.siteId, site.generation)) this.#sendConfig(site, undefined);
    }
  }

  /**
   * Its database was restored, and has the control log's entries up to `applied`. Those behind are offered again, but
   * for what has ended. Those before `oldest` are no longer kept.
   */
  wentBack({ applied, oldest, running }: { applied: number; oldest: number; running: Running }): void {
    const { logs, meta, recall, configs, letters, shareAgain } = this.#parts;
    // What ends below is withdrawn: a new database may lack it again.
    meta.set('emptied_behind', null);
    const removed = this.#removedBehind(applied);
    for (const { id, seq } of recall.endedBehind(applied)) logs.control.outbox.rewrite(seq, withdrawn(id));
    for (const open of recall.unfinished(applied, logs.control.outbox.offered)) {
      if (open.seq < oldest) this.#giveAnew(open);
      else this.#mark(open);
    }
    const has = new Map(running.map(({ siteId, digest }) => [siteId, digest]));
    for (const site of configs.all()) {
      const { siteId, generation, digest } = site;
      const right = has.get(siteId) === digest && !removed.has(siteId);
      if (!right && !recall.bringing(siteId, generation)) this.#sendConfig(site, has.get(siteId));
    }
    letters.forget('control', applied);
    if (oldest > applied + 1) shareAgain();
  }

  /**
   * This object was restored, and the VPS may run later configs than are known here. The desired ones are the truth:
   * one that the VPS would take for an older one becomes the generation above what runs.
   */
  outrun(running: Running): void {
    const { configs, control, now, recall } = this.#parts;
    recall.tellAnew();
    const runs = new Map(running.map((site) => [site.siteId, site]));
    for (const { siteId, generation, digest } of configs.all()) {
      const has = runs.get(siteId);
      const newer = has === undefined || generation > has.generation;
      if (newer || (generation === has.generation && digest === has.digest)) continue;
      const { config } = configs.site(siteId);
      const next = { generation: has.generation + 1, digest, config };
      configs.commit(siteId, next, { at: now(), actor: 'resync' });
      control.sendConfig(siteId, next.generation);
    }
  }

  /**
   * L15: another process runs on the same database: its UPSTREAM_ALLOW, or its version, may be another too. What the one
   * before it refused is sent again; what was withdrawn is not, and what it runs neither.
   */
  restarted(running: Running): void {
    const { reports, recall, control } = this.#parts;
    const has = new Map(running.map(({ siteId, digest }) => [siteId, digest]));
    for (const { siteId, generation, digest } of reports.refused()) {
      if (has.get(siteId) !== digest && !recall.bringing(siteId, generation))
        control.sendConfig(siteId, generation);
    }
  }

  /** First the generation that ran, if the desired one did not: that may be refused again. */
  #sendConfig({ siteId, generation }: Desired, has: string | undefined): void {
    const { configs, control, reports } = this.#parts;
    const before = reports.ran(siteId);
    if (before !== undefined && before < generation && configs.at(siteId, before)?.digest !== has) {
      control.sendConfig(siteId, before);
    }
    control.sendConfig(siteId, generation);
  }

  /** A deployment is sent again under its id; a config edit is not, since the whole config is. */
  #giveAnew({ id, seq, type }: Unfinished): void {
    const { commands, blobs, logs, now } = this.#parts;
    const { outbox } = logs.control;
    const body = type === 'update_config' ? undefined : outbox.body(seq);
    if (body !== undefined) {
      const mayHaveRun = seq <= outbox.offered;
      outbox.rewrite(seq, withdrawn(id));
      commands.moveTo(id, outbox.append(mayHaveRun ? again(body) : body));
      return;
    }
    commands.move(id, 'cancelled', now(), {
      reason: 'superseded: the orchestrator came back with another database',
    });
    blobs.release(id);
  }

  /** It is offered again, and may have run before. A config may be applied twice. */
  #mark({ seq, type }: Unfinished): void {
    const { outbox } = this.#parts.logs.control;
    const body = type === 'update_config' ? undefined : outbox.body(seq);
    if (body !== undefined) outbox.rewrite(seq, again(body));
  }

  /** Sites whose removal is offered again: their successors' configs must come behind it. */
  #removedBehind(applied: number): Set<string> {
    const rows = this.#parts.sql.run(
      `SELECT DISTINCT body ->> 'siteId' AS site_id FROM log_outbox
       WHERE log = 'control' AND seq > ? AND body ->> 'type' = 'remove_site'`,
      applied,
    );
    return new Set(rows.map((row) => text(row, 'site_id')));
  }
}

/** Asks the orchestrator to look for the command's traces before it runs it. */
const again = (body: string): string => JSON.stringify({ ...JSON.parse(body), again: true });
