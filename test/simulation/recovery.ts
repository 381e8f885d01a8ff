import type { Image } from './database.ts';
import type { EdgeMachine } from './edge/machine.ts';
import type { Losses } from './losses.ts';
import type { OrchestratorMachine } from './orchestrator.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

export interface RecoveryOptions {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly orchestrator: OrchestratorMachine;
  readonly losses: Losses;
  readonly trace: Trace;
}

interface Copy {
  readonly at: number;
  readonly image: Image;
}

const ASK_AGAIN_MS = 5_000;
const COPY_AGAIN_MS = 250;
const COPY_TRIES = 40;

/** Operators who put back what was lost: a backup of the VPS, an empty VPS, an earlier state of the object. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #backups: Copy[] = [];
  readonly #points: Copy[] = [];
  /** While the VPS is being restored nobody may start a process there. */
  busy = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /**
   * As the nightly backup, and the platform's own recovery points: if possible while a deployment waits, since a copy
   * in which it does, and behind which it ran, is the hardest to go on from.
   */
  copy(triesLeft = COPY_TRIES): void {
    const { world, edge, orchestrator } = this.#options;
    const [waits] = orchestrator.read(`SELECT 1 FROM commands WHERE state = 'pending'`);
    if (waits === undefined && triesLeft > 0) {
      world.after(COPY_AGAIN_MS, () => this.copy(triesLeft - 1), undefined);
      return;
    }
    this.#backups.push({ at: world.now, image: orchestrator.backup() });
    this.#points.push({ at: world.now, image: edge.storage.image() });
  }

  /** As `clawctl restore`: the edge is asked how far it knows this orchestrator. */
  async restoreVps(): Promise<void> {
    const { orchestrator, world, edge } = this.#options;
    const backup = this.#pick(this.#backups);
    if (backup === undefined || this.busy) return;
    this.#stopVps();
    for (;;) {
      const asked = await edge.ask((object) => object.standing(orchestrator.claims()));
      if (asked !== 'lost' && asked.answer.ok) {
        const { generation, control } = asked.answer.value;
        const { peerLogId } = control;
        orchestrator.restore(backup.image, { generation, ...(peerLogId === undefined ? {} : { peerLogId }) });
        break;
      }
      await this.#pause();
    }
    this.#options.trace.note(`the VPS is as it was ${(world.now - backup.at) / 1_000} s ago`);
    this.busy = false;
    orchestrator.boot();
  }

  /** There is no backup: an empty database is let in by an admin's word. */
  async eraseVps(): Promise<void> {
    const { orchestrator, edge } = this.#options;
    if (this.busy) return;
    this.#stopVps();
    orchestrator.erase();
    while ((await edge.ask((object) => object.release())) === 'lost') await this.#pause();
    this.busy = false;
    orchestrator.boot();
  }

  restoreObject(): void {
    const { edge, losses, world, trace } = this.#options;
    const point = this.#pick(this.#points);
    if (point === undefined) return;
    trace.note(`the object is as it was ${(world.now - point.at) / 1_000} s ago`);
    losses.object(point.at, world.now);
    edge.restore(point.image);
  }

  #stopVps(): void {
    const { orchestrator, losses, edge } = this.#options;
    this.busy = true;
    orchestrator.cutPower();
    losses.vps(edge.storage.read(`SELECT id FROM events`).map(({ id }) => String(id)));
  }

  #pick(copies: readonly Copy[]): Copy | undefined {
    return copies.length === 0 ? undefined : this.#options.world.random.pick(copies);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.world.after(ASK_AGAIN_MS, () => resolve(), undefined));
  }
}
