import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { ApiError, CODES, invalid } from '../api/envelope.ts';

/**
 * 64 MiB uncompressed for all modules together, on every plan; the older limits on the compressed size
 * (3 and 10 MB) are gone: Cloudflare's changelog of 2026-09-04, wrangler 4.129.1's release notes.
 */
export const MAX_MODULES_BYTES = 64 * 1024 * 1024;
/** Room for the metadata and the part headers beside the modules. */
const MAX_BODY_BYTES = MAX_MODULES_BYTES + 4 * 1024 * 1024;

/** One part of a form; `filename` is absent where the part has none. */
export interface Part {
  name: string;
  filename: string | undefined;
  contentType: string;
  bytes: Buffer;
}

const unparseable = (why: string): ApiError =>
  new ApiError(400, CODES.unparseableBody, `Could not parse request body: ${why}`);

export const tooLarge = (): ApiError =>
  new ApiError(413, CODES.tooLarge, 'Your Worker exceeded the size limit of 64 MiB.');

/**
 * The whole body. What goes over the limit is read to its end and dropped: a customer that still sends
 * would otherwise see a reset connection and never the refusal.
 */
export async function readBody(
  body: AsyncIterable<Uint8Array> | null,
  maxBytes = MAX_BODY_BYTES,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (bytes > maxBytes) throw tooLarge();
  return Buffer.concat(chunks);
}

function openParser(contentType: string): InstanceType<typeof Busboy> {
  const headers: BusboyHeaders = { 'content-type': contentType };
  try {
    // preservePath: a module's name is its path. Every part counts as a file, so that none is truncated.
    return new Busboy({ headers, preservePath: true, isPartAFile: () => true });
  } catch (error) {
    throw unparseable(error instanceof Error ? error.message : 'malformed content-type');
  }
}

function collect(parser: InstanceType<typeof Busboy>, body: Buffer): Promise<Part[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Part[]>();
  const parts: Part[] = [];
  const fail = (error: unknown): void =>
    reject(unparseable(error instanceof Error ? error.message : 'malformed'));
  parser.on('file', (name, stream, filename, _encoding, contentType) => {
    const chunks: Buffer[] = [];
    stream.on('error', fail);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => parts.push({ name, filename, contentType, bytes: Buffer.concat(chunks) }));
  });
  parser.on('error', fail);
  parser.on('finish', () => resolve(parts));
  parser.end(body);
  return promise;
}

/** How many delimiters the body has: busboy drops malformed parts silently, this does not. */
function countDelimiters(body: Buffer, contentType: string): number {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) throw unparseable('the content-type names no boundary');
  const delimiter = Buffer.from(`\r\n--${boundary}\r\n`);
  let count = body.indexOf(delimiter.subarray(2)) === 0 ? 1 : 0;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + 2)) count += 1;
  return count;
}

/** The parts of a multipart/form-data body, in order; malformed, unnamed or repeated parts are refused. */
export async function parseMultipart(contentType: string, body: Buffer): Promise<Part[]> {
  if (!/^multipart\/form-data\b/i.test(contentType)) {
    throw new ApiError(415, CODES.unsupportedContentType, 'Content-Type must be multipart/form-data.');
  }
  const expected = countDelimiters(body, contentType);
  const parts = await collect(openParser(contentType), body);
  if (parts.length !== expected || expected === 0)
    throw unparseable('a part is malformed or the form is empty');
  const names = new Set<string>();
  for (const { name } of parts) {
    if (!name) throw unparseable('a part has no name');
    if (names.has(name)) throw invalid(`The part "${name}" was uploaded twice.`);
    names.add(name);
  }
  return parts;
}
