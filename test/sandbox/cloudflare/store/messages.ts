import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { removeTemporaries, replaceFile } from './files.ts';

const Message = z.strictObject({
  id: z.string(),
  queue: z.string(),
  at: z.int(),
  /** Bytes are in base64. */
  contentType: z.enum(['json', 'text', 'bytes']),
  body: z.string(),
  /** That have failed. */
  attempts: z.int(),
});
export type Message = z.infer<typeof Message>;

/** What a producer sends. */
export const SentMessage = Message.pick({ contentType: true, body: true });
export type SentMessage = z.infer<typeof SentMessage>;

/** The messages of all queues, in one file each: sent means stored. */
export class MessageStore {
  private readonly dir: string;
  private messages: Message[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async open(dataDir: string): Promise<MessageStore> {
    const store = new MessageStore(join(dataDir, 'messages'));
    await mkdir(store.dir, { recursive: true, mode: 0o700 });
    await removeTemporaries(store.dir);
    for (const file of await readdir(store.dir))
      store.messages.push(Message.parse(JSON.parse(await readFile(join(store.dir, file), 'utf8'))));
    store.messages.sort((a, b) => a.at - b.at);
    return store;
  }

  /** Oldest first. */
  of(queue: string): readonly Message[] {
    return this.messages.filter((message) => message.queue === queue);
  }

  async add(queue: string, sent: readonly SentMessage[], at: number): Promise<void> {
    const added = sent.map((message) => ({
      ...message,
      ...{ id: randomUUID().replaceAll('-', ''), queue, at, attempts: 0 },
    }));
    await Promise.all(added.map((message) => this.write(message)));
    this.messages.push(...added);
  }

  /** Keeps it in its place, as it is now. */
  async put(message: Message): Promise<void> {
    await this.write(message);
    this.messages = this.messages.map((known) => (known.id === message.id ? message : known));
  }

  async remove(ids: ReadonlySet<string>): Promise<void> {
    await Promise.all([...ids].map((id) => rm(this.pathOf(id), { force: true })));
    this.messages = this.messages.filter(({ id }) => !ids.has(id));
  }

  private write(message: Message): Promise<void> {
    return replaceFile(this.pathOf(message.id), JSON.stringify(message));
  }

  private pathOf(id: string): string {
    return join(this.dir, `${id}.json`);
  }
}
