import { Failure, type FrameSender, type FrameToEdge, type FrameToOrchestrator } from '@clawdbot/protocol';
import { type Flow, overloaded } from './flow.ts';
import { secretAnswer } from './secret-answer.ts';
import type { Supply } from './supply.ts';

/** What the orchestrator asks of the edge: calls that it opens, with odd ids (PROTOCOL C1). */
type PullFrame = Extract<FrameToEdge, { type: 'blob' | 'receipt_answer' | 'get_secret' | 'get_tally' }>;
type Blob = Extract<PullFrame, { type: 'blob' }>;

export interface PullsPorts {
  readonly sender: FrameSender<FrameToOrchestrator>;
  readonly flow: Pick<Flow, 'isFull'>;
  readonly supply: Supply;
  /** Is this the newest process's session? */
  readonly writes: () => boolean;
  readonly isOver: () => boolean;
  /** A mistake of ours: the session ends. */
  readonly broken: (error: unknown) => void;
}

/** Answers what the orchestrator asks for on one socket. */
export class Pulls {
  readonly #ports: PullsPorts;

  constructor(ports: PullsPorts) {
    this.#ports = ports;
  }

  on(frame: PullFrame): void {
    switch (frame.type) {
      case 'blob':
        this.#blob(frame);
        return;
      case 'receipt_answer':
        this.#receiptAnswer(frame);
        return;
      case 'get_secret':
        this.#secret(frame);
        return;
      case 'get_tally':
        this.#tally(frame);
        return;
      default:
        frame satisfies never;
    }
  }

  #blob({ id, sha256, part, receiptId }: Blob): void {
    if (receiptId !== undefined) {
      // Only decrypting takes turns; what fails there in another way than a `Failure` is a mistake of ours.
      this.#parcel(id, receiptId, part).catch(this.#ports.broken);
      return;
    }
    try {
      if (this.#ports.flow.isFull) throw overloaded();
      this.#ports.sender.pushBody(id, this.#ports.supply.blobs.part(sha256, part));
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  async #parcel(id: number, receiptId: string, part: number): Promise<void> {
    const { flow, supply, sender, isOver } = this.#ports;
    try {
      if (flow.isFull) throw overloaded();
      const bytes = await supply.parcels.part(receiptId, part);
      if (!isOver()) sender.pushBody(id, bytes);
    } catch (error) {
      if (!isOver()) this.#refuse(id, error);
    }
  }

  #receiptAnswer(frame: Extract<PullFrame, { type: 'receipt_answer' }>): void {
    const { id } = frame;
    const handedOn = this.#ports.writes() && this.#ports.supply.customers.answered(frame);
    if (handedOn) this.#ports.sender.push({ type: 'end', id });
    else this.#refuse(id, new Failure('not_found', 'nobody waits for this answer'));
  }

  #secret(frame: Extract<PullFrame, { type: 'get_secret' }>): void {
    const { supply, writes, isOver, sender } = this.#ports;
    const answer = secretAnswer(frame, writes() ? supply.secrets : undefined);
    void answer.then((made) => isOver() || sender.push(made));
  }

  #tally(frame: Extract<PullFrame, { type: 'get_tally' }>): void {
    try {
      this.#ports.sender.push(this.#ports.supply.tallies.tally(frame));
    } catch (error) {
      this.#refuse(frame.id, error);
    }
  }

  #refuse(id: number, error: unknown): void {
    if (!(error instanceof Failure)) throw error;
    this.#ports.sender.push({ type: 'error', id, error: error.toWire() });
  }
}
