import {
  Failure,
  type FrameSender,
  type FrameToOrchestrator,
  type StatusReport,
  UPLOAD_DEADLINE_MS,
} from '@clawdbot/protocol';
import type { Calls } from './calls.ts';
import { type Flow, overloaded } from './flow.ts';
import type { Liveness } from './liveness.ts';
import type { RelayCall, RelayReply, StatusCall } from './relay-rpc.ts';
import { bodyOf } from './upload.ts';

/** The orchestrator's own word that a call is late comes first. */
const DEADLINE_GRACE_MS = 1_000;

export interface OpenerParts {
  readonly calls: Calls;
  readonly sender: FrameSender<FrameToOrchestrator>;
  readonly flow: Pick<Flow, 'isFull'>;
  readonly liveness: Pick<Liveness, 'expect'>;
  readonly now: () => number;
}

/** Opens what the edge asks of the orchestrator on one socket. What that asks of the edge, `Pulls` answers. */
export class Opener {
  readonly #parts: OpenerParts;

  constructor(parts: OpenerParts) {
    this.#parts = parts;
  }

  /** Throws `Failure` when the call cannot be opened; rejects with one when it fails. */
  relay(call: RelayCall, deadlineMs: number): Promise<RelayReply> {
    const { calls, flow } = this.#parts;
    if (flow.isFull) throw overloaded();
    const body = bodyOf(call);
    // Of a body that streams the deadline counts from its end: until then the orchestrator sees to it (PROTOCOL C4).
    const waitMs = body.head.kind === 'stream' ? UPLOAD_DEADLINE_MS : deadlineMs;
    const { id, reply } = calls.relay(call.requestId, this.#dueIn(waitMs));
    this.#open({
      type: 'request',
      id,
      target: call.target,
      ...(call.siteId === undefined ? {} : { siteId: call.siteId }),
      method: call.method,
      url: call.url,
      headers: call.headers,
      body: body.head,
      requestId: call.requestId,
      deadlineMs,
    });
    if (body.rest !== undefined) calls.upload(id, body.rest);
    return reply;
  }

  getStatus({ requestId, siteId, deadlineMs }: StatusCall): Promise<StatusReport> {
    const { id, reply } = this.#parts.calls.status(requestId, this.#dueIn(deadlineMs));
    this.#open({ type: 'get_status', id, siteId, deadlineMs });
    return reply;
  }

  #dueIn(ms: number): number {
    return this.#parts.now() + ms + DEADLINE_GRACE_MS;
  }

  /** Sends a call's first frame: at once when nothing else is open, else with those that came in one exchange with it. */
  #open(frame: FrameToOrchestrator & { id: number }): void {
    const { calls, sender, liveness } = this.#parts;
    try {
      if (calls.size === 1) sender.pushNow(frame);
      else sender.pushSoon(frame);
      liveness.expect();
    } catch (cause) {
      const failure = new Failure('bad_request', 'the request does not fit the channel', {
        cause,
        execution: 'not_started',
      });
      calls.fail(frame.id, failure);
    }
  }
}
