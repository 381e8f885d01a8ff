import { type DeployResult, deployResult, Failure } from '@clawdbot/protocol';
import type { Outcome } from './outcome.ts';

interface LocalCommand {
  /** By SHA-256. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  readonly settle: (outcome: Outcome | Error) => void;
}

/** Deployments given on this machine, while whoever gave them waits. Their modules live only here. */
export class LocalCommands {
  readonly #waiting = new Map<string, LocalCommand>();

  /** Waits for the command's end. Throws `Failure`. */
  async result(commandId: string, modules: LocalCommand['modules']): Promise<DeployResult> {
    const outcome = await new Promise<Outcome | Error>((settle) => {
      this.#waiting.set(commandId, { modules, settle });
    });
    this.#waiting.delete(commandId);
    if (outcome instanceof Failure) throw outcome;
    if (outcome instanceof Error) throw new Failure('orchestrator_away', outcome.message);
    if (outcome.error !== undefined) throw new Failure(outcome.error.code, outcome.error.message);
    return deployResult.parse(outcome.result);
  }

  /** Throws `Failure('blob_missing')`. */
  module(commandId: string, sha256: string): Uint8Array {
    const bytes = this.#waiting.get(commandId)?.modules.get(sha256);
    if (bytes !== undefined) return bytes;
    throw new Failure('blob_missing', 'the modules were lost when the orchestrator stopped: deploy again');
  }

  ended(commandId: string, outcome: Outcome): void {
    this.#waiting.get(commandId)?.settle(outcome);
  }

  /** The process stops, or must commit nothing more. */
  giveUp(error: Error): void {
    for (const { settle } of this.#waiting.values()) settle(error);
  }
}
