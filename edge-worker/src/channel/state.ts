import {
  type ChannelStanding,
  type Orchestrator,
  type Status,
  status as statusSchema,
} from '@clawdbot/protocol';
import type { EventProjection } from './event-projection.ts';
import type { Letters } from './letters.ts';
import { LOGS_IN_ORDER, type Logs } from './logs.ts';
import type { PresenceBook } from './presence.ts';
import type { Receipts } from './receipts.ts';
import type { ChannelState } from './rpc.ts';
import type { Meta } from './store.ts';

export interface StateParts {
  readonly orchestratorId: string;
  readonly meta: Meta;
  readonly logs: Logs;
  readonly letters: Letters;
  readonly events: Pick<EventProjection, 'unprojected'>;
  readonly receipts: Pick<Receipts, 'dead'>;
  readonly presence: PresenceBook;
}

/** What this object knows of its orchestrator, as operators see it. */
export class State {
  readonly #parts: StateParts;
  #read: Told | undefined;

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

  describe(): ChannelState {
    const { orchestratorId, meta, presence } = this.#parts;
    const { status } = this;
    const instanceId = meta.text('instance');
    const version = meta.text('version');
    const resync = meta.text('last_resync');
    return {
      id: orchestratorId,
      presence: presence.current,
      fence: meta.number('fence'),
      generation: meta.number('generation'),
      ...(instanceId === undefined ? {} : { instanceId }),
      ...(version === undefined ? {} : { version }),
      queues: this.queues,
      ...(resync === undefined ? {} : { lastResync: JSON.parse(resync) }),
      ...(status === undefined ? {} : { status }),
      wakes: meta.number('wakes'),
      unknownFrames: meta.number('unknown_frames'),
    };
  }

  standing(): ChannelStanding {
    const { meta, logs } = this.#parts;
    const instanceId = meta.text('instance');
    const { peerLogId, applied } = logs.control.inbox.position();
    return {
      generation: meta.number('generation'),
      ...(instanceId === undefined ? {} : { instanceId }),
      control: { ...(peerLogId === undefined ? {} : { peerLogId }), applied },
    };
  }

  get queues(): Orchestrator['queues'] {
    const { logs, letters, events, receipts } = this.#parts;
    return {
      control: logs.control.outbox.depth,
      queue: logs.queue.outbox.depth,
      inbox: LOGS_IN_ORDER.reduce((sum, log) => sum + logs[log].inbox.depth().pending, 0),
      deadLetters: letters.count,
      deadReceipts: receipts.dead,
      unprojected: events.unprojected,
    };
  }

  /** The orchestrator tells of itself, in the caller's transaction. */
  tell({ type: _type, ...status }: Status): void {
    const kept = JSON.stringify(status);
    this.#parts.meta.set('status', kept);
    this.#read = { kept, status };
  }

  /** The last that the orchestrator told of itself. */
  get status(): Omit<Status, 'type'> | undefined {
    return this.#told.status;
  }

  /** Read once for each status that it tells. */
  get #told(): Told {
    const kept = this.#parts.meta.text('status');
    if (this.#read === undefined || this.#read.kept !== kept) this.#read = readTold(kept);
    return this.#read;
  }
}

/** A status as it is kept, and what is in it. */
interface Told {
  readonly kept: string | undefined;
  readonly status: Omit<Status, 'type'> | undefined;
}

function readTold(kept: string | undefined): Told {
  const read = kept === undefined ? undefined : statusSchema.omit({ type: true }).safeParse(JSON.parse(kept));
  return { kept, status: read?.success ? read.data : undefined };
}
