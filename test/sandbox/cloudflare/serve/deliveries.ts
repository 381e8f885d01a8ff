import type { Message, MessageStore, SentMessage } from '../store/messages.ts';
import type { Consumer, Queue, ResourceStore } from '../store/resources.ts';
import type { Delivered } from './runner.ts';

/** While the runner is away, or the consumer throws before it is given anything. */
const PAUSE_MS = 250;

interface Means {
  readonly now: () => number;
  /** Brings a batch to the consumer. */
  deliver(queue: string, script: string, batch: readonly Message[]): Promise<Delivered>;
}

/**
 * Brings the messages of each queue to its consumer, one batch at a time: at once, in the order in which they were sent
 * but for retries, which wait for nothing. What no consumer takes in its retries goes to the dead letter queue, if any.
 */
export class Deliveries {
  private readonly messages: MessageStore;
  private readonly resources: ResourceStore;
  private readonly means: Means;
  private readonly running = new Set<string>();
  private readonly pauses = new Map<string, NodeJS.Timeout>();
  private isClosed = false;

  constructor(messages: MessageStore, resources: ResourceStore, means: Means) {
    this.messages = messages;
    this.resources = resources;
    this.means = means;
  }

  /** Goes on with what an earlier process has left. */
  begin(): void {
    for (const { id } of this.resources.queues) this.wake(id);
  }

  async send({ id }: Queue, sent: readonly SentMessage[]): Promise<void> {
    await this.messages.add(id, sent, this.means.now());
    this.wake(id);
  }

  /** There may be something to deliver. */
  wake(queueId: string): void {
    if (this.isClosed || this.running.has(queueId)) return;
    this.running.add(queueId);
    void this.drain(queueId).then((isDone) => {
      this.running.delete(queueId);
      if (!isDone) this.pause(queueId);
    });
  }

  /** The queue is gone, and with it what was in it. */
  forget(queueId: string): Promise<void> {
    return this.messages.remove(new Set(this.messages.of(queueId).map(({ id }) => id)));
  }

  close(): void {
    this.isClosed = true;
    for (const pause of this.pauses.values()) clearTimeout(pause);
  }

  private pause(queueId: string): void {
    if (this.isClosed || this.pauses.has(queueId)) return;
    const again = (): void => {
      this.pauses.delete(queueId);
      this.wake(queueId);
    };
    this.pauses.set(queueId, setTimeout(again, PAUSE_MS));
  }

  /** Whether nothing is left that could be delivered. */
  private async drain(queueId: string): Promise<boolean> {
    for (;;) {
      const queue = this.resources.queue({ id: queueId });
      const batch = this.messages.of(queueId).slice(0, queue?.consumer?.batchSize);
      if (this.isClosed || queue?.consumer === undefined || batch.length === 0) return true;
      try {
        const said = await this.means.deliver(queue.name, queue.consumer.script, batch);
        await this.settle(queue.consumer, batch, said);
      } catch {
        return false;
      }
    }
  }

  private async settle(consumer: Consumer, batch: readonly Message[], said: Delivered): Promise<void> {
    const again = batch.filter(({ id }) => isRetried(id, said));
    const tried = again.map((message) => ({ ...message, attempts: message.attempts + 1 }));
    const dead = tried.filter(({ attempts }) => attempts > consumer.maxRetries);
    const left = new Set(tried.filter((message) => !dead.includes(message)).map(({ id }) => id));
    await this.bury(consumer, dead);
    await this.messages.remove(new Set(batch.map(({ id }) => id).filter((id) => !left.has(id))));
    for (const message of tried) if (left.has(message.id)) await this.messages.put(message);
  }

  private async bury({ deadLetterQueue: name }: Consumer, dead: readonly Message[]): Promise<void> {
    const queue = name === undefined ? undefined : this.resources.queue({ name });
    const sent = dead.map(({ contentType, body }) => ({ contentType, body }));
    if (queue && sent.length > 0) await this.send(queue, sent);
  }
}

/** A message that was named is what it was named; the others go the way of the batch. */
function isRetried(
  id: string,
  { outcome, ackAll, retryBatch, explicitAcks, retryMessages }: Delivered,
): boolean {
  if (explicitAcks.includes(id)) return false;
  if (retryMessages.some(({ msgId }) => msgId === id)) return true;
  return !ackAll && (outcome !== 'ok' || retryBatch.retry);
}
