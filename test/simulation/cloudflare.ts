import { Failure } from '@clawdbot/protocol';
import { systemClock as clock, pause } from '../../orchestrator/src/clock.ts';
import type { Handlers } from '../../orchestrator/src/commands/index.ts';
import type { World } from './world.ts';

type Deploy = Handlers['deploy_worker'];

/**
 * What lies outside and keeps what it was told: versions of Workers, each tagged with the command that uploaded
 * it. A deploy takes a while, and the process may die before, between or after its effects.
 */
export class Cloudflare {
  /** Uploads by command. */
  readonly versions = new Map<string, number>();
  readonly #world: World;
  readonly #fails: (commandId: string) => boolean;
  readonly #onUpload: (commandId: string) => void;

  constructor(world: World, fails: (commandId: string) => boolean, onUpload: (commandId: string) => void) {
    this.#world = world;
    this.#fails = fails;
    this.#onUpload = onUpload;
  }

  /** The handler as the product's own: one that was begun before looks for its version first. */
  readonly deploy: Deploy = async (_body, { commandId, resumed, signal, progress }) => {
    await this.#takes(signal);
    // Its intent, as the product's own writes it: a process that was superseded gets no further.
    progress('validated');
    if (this.#fails(commandId)) throw new Failure('deploy_failed', 'the simulation says so');
    if (!resumed || !this.versions.has(commandId)) {
      this.#onUpload(commandId);
      this.versions.set(commandId, (this.versions.get(commandId) ?? 0) + 1);
    }
    await this.#takes(signal);
    return {
      deploymentId: `d-${commandId}`,
      versionId: `v-${commandId}`,
      url: 'http://worker',
      proof: 'observed',
      receipts: { intended: { at: this.#world.now } },
    };
  };

  async #takes(signal: AbortSignal): Promise<void> {
    await pause(clock, this.#world.random.int(5, 3_000), signal);
    signal.throwIfAborted();
  }
}
