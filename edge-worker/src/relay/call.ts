import { type Execution, Failure } from '@clawdbot/protocol';
import { objectFailure, unwrap } from '../ask.ts';
import type { Answer } from '../channel/answer.ts';
import type { ChannelRpc } from '../channel/rpc.ts';

/** A call on its way to the orchestrator, and who may end it before it is answered. */
export interface OpenCall<T> {
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly channel: Pick<ChannelRpc, 'cancelCall'>;
  /** Fires when who asked has gone. */
  readonly signal: AbortSignal;
  background(task: Promise<unknown>): void;
  open(): Promise<Answer<T>>;
}

/**
 * Opens a call of the API and keeps its deadline to the millisecond, which the object keeps within some seconds. Past
 * it, or when who asked has gone, the object is told that nobody waits.
 */
export async function keepDeadline<T>(call: OpenCall<T>): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const giveUp = (failure: Failure) => {
    call.background(call.channel.cancelCall(call.requestId).catch(() => undefined));
    reject(failure);
  };
  let answered = false;
  const left = () => answered || giveUp(gone('may_have_executed'));
  const timer = setTimeout(() => giveUp(late(call.deadlineMs)), call.deadlineMs);
  // Not taken back afterwards: the signal ends with its request, and each call into the runtime costs.
  call.signal.addEventListener('abort', left, { once: true });
  try {
    return unwrap(await Promise.race([call.open(), ended]));
  } catch (thrown) {
    throw objectFailure(thrown);
  } finally {
    answered = true;
    clearTimeout(timer);
  }
}

const late = (ms: number) =>
  new Failure(
    'deadline_exceeded',
    `no answer within ${ms} ms; it may have been done: look before you repeat it`,
    {
      execution: 'may_have_executed',
    },
  );

/** Nobody reads this one. */
export const gone = (execution: Execution): Failure =>
  new Failure('deadline_exceeded', 'who asked has gone', { execution });
