import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { ask, type Site } from './customers.ts';

const CHUNK_BYTES = 64 * 1024;
const echoed = z.object({ body: z.object({ length: z.int(), sha256: z.string() }) });

/** A body up and one down at once, each of so many bytes. Throws when either arrives otherwise than it was sent. */
export async function carryBodies(site: Site, bytes: number): Promise<void> {
  await Promise.all([up(site, bytes), down(site, bytes)]);
}

async function up({ relayUrl, siteId }: Site, bytes: number): Promise<void> {
  const sent = request(`${relayUrl}/s/${siteId}/echo`, { method: 'POST', agent: false });
  const hash = createHash('sha256');
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(chunks(bytes, hash)), sent);
  const [response] = await answered;
  const { body } = echoed.parse(JSON.parse(Buffer.concat(await response.toArray()).toString()));
  if (body.length !== bytes || body.sha256 !== hash.digest('hex')) throw new Error('the upload was changed');
}

function* chunks(bytes: number, hash: ReturnType<typeof createHash>): Generator<Buffer> {
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, bytes - at), at / CHUNK_BYTES);
    hash.update(chunk);
    yield chunk;
  }
}

async function down(site: Site, bytes: number): Promise<void> {
  let length = 0;
  for await (const chunk of await ask(site, `/bytes/${bytes}`)) length += chunk.length;
  if (length !== bytes) throw new Error(`${length} bytes of ${bytes} came down`);
}
