import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from './files.ts';

const DispatchNamespace = z.strictObject({ id: z.uuid(), name: z.string(), createdOn: z.string() });
export type DispatchNamespace = z.infer<typeof DispatchNamespace>;

/** A Worker that gets a queue's messages. */
const Consumer = z.strictObject({
  id: z.string(),
  script: z.string(),
  createdOn: z.string(),
  deadLetterQueue: z.string().optional(),
  batchSize: z.int(),
  maxRetries: z.int(),
});
export type Consumer = z.infer<typeof Consumer>;

const Queue = z.strictObject({
  id: z.string(),
  name: z.string(),
  createdOn: z.string(),
  /** One at most, as at Cloudflare. */
  consumer: Consumer.optional(),
});
export type Queue = z.infer<typeof Queue>;

const Resources = z.strictObject({ namespaces: z.array(DispatchNamespace), queues: z.array(Queue) });
type Resources = z.infer<typeof Resources>;

/** What the account has beside its scripts, in one file that is replaced at every change. */
export class ResourceStore {
  private present: Resources;
  private readonly path: string;
  private tail: Promise<unknown> = Promise.resolve();

  private constructor(path: string, present: Resources) {
    this.path = path;
    this.present = present;
  }

  static async open(dataDir: string): Promise<ResourceStore> {
    const path = join(dataDir, 'resources.json');
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const none = { namespaces: [], queues: [] };
    return new ResourceStore(path, text === undefined ? none : Resources.parse(JSON.parse(text)));
  }

  get queues(): readonly Queue[] {
    return this.present.queues;
  }

  get namespaces(): readonly DispatchNamespace[] {
    return this.present.namespaces;
  }

  namespace(name: string): DispatchNamespace | undefined {
    return this.present.namespaces.find((known) => known.name === name);
  }

  queue(by: { name: string } | { id: string }): Queue | undefined {
    return this.present.queues.find((known) => ('id' in by ? known.id === by.id : known.name === by.name));
  }

  /** Changes happen one after the other; one that throws changes nothing. */
  change(next: (present: Resources) => Partial<Resources>): Promise<void> {
    const turn = this.tail.then(async () => {
      const changed = { ...this.present, ...next(this.present) };
      await replaceFile(this.path, JSON.stringify(changed));
      this.present = changed;
    });
    this.tail = turn.catch(() => undefined);
    return turn;
  }
}
