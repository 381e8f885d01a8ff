import type { z } from 'zod';
import type { CloseName } from './close.ts';
import { explain } from './errors.ts';
import {
  ENTRIES_TO_EDGE,
  ENTRIES_TO_ORCHESTRATOR,
  type EntryToEdge,
  type EntryToOrchestrator,
} from './frames/entries.ts';
import { FRAMES, type FrameToEdge, type FrameToOrchestrator, type Receiver } from './frames/index.ts';
import { ENTRY_BYTES_MAX, TEXT_MESSAGE_BYTES_MAX } from './limits.ts';

/** What the peer sent cannot be read: close with this code and reason. */
export class ProtocolError extends Error {
  readonly close: CloseName;
  constructor(close: CloseName, reason: string) {
    super(reason);
    this.name = 'ProtocolError';
    this.close = close;
  }
}

interface FrameOf {
  edge: FrameToEdge;
  orchestrator: FrameToOrchestrator;
}
interface EntryOf {
  edge: EntryToEdge;
  orchestrator: EntryToOrchestrator;
}
const ENTRIES = { edge: ENTRIES_TO_EDGE, orchestrator: ENTRIES_TO_ORCHESTRATOR } as const;

/** A frame as JSON, checked against its schema: what we send is held to the same rules as what we receive. */
function encode<R extends Receiver>(receiver: R, frame: FrameOf[R]): string {
  const schema = schemaOf(FRAMES[receiver], frame.type);
  if (schema === undefined) throw new TypeError(`no frame of type "${frame.type}" goes to the ${receiver}`);
  return JSON.stringify(schema.parse(frame));
}

function decode<R extends Receiver>(receiver: R, text: string): Decoded<FrameOf[R]> {
  if (text.length > TEXT_MESSAGE_BYTES_MAX) throw new ProtocolError('tooLarge', 'text message too large');
  const items = parseArray(text);
  const frames: FrameOf[R][] = [];
  let unknown = 0;
  for (const item of items) {
    const type = typeOf(item);
    const schema = schemaOf(FRAMES[receiver], type);
    if (schema === undefined) {
      unknown++;
      continue;
    }
    const parsed = schema.safeParse(item);
    if (!parsed.success) throw new ProtocolError('malformed', `${type}: ${explain(parsed.error)}`);
    frames.push(parsed.data as FrameOf[R]); // The schema was looked up by this very receiver and type.
  }
  return { frames, unknown };
}

export interface Decoded<F> {
  readonly frames: F[];
  /** Frames of a type this version does not know: ignored and counted, so that a newer peer may send more. */
  readonly unknown: number;
}

function parseArray(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError('malformed', 'not JSON');
  }
  if (!Array.isArray(value) || value.length === 0)
    throw new ProtocolError('malformed', 'expected an array of frames');
  return value;
}

function typeIn(item: unknown): string | undefined {
  const type = typeof item === 'object' && item !== null && 'type' in item ? item.type : undefined;
  return typeof type === 'string' ? type : undefined;
}

function typeOf(item: unknown): string {
  const type = typeIn(item);
  if (type === undefined) throw new ProtocolError('malformed', 'a frame without a type');
  return type;
}

function schemaOf(table: Readonly<Record<string, z.ZodType>>, type: string): z.ZodType | undefined {
  return Object.hasOwn(table, type) ? table[type] : undefined;
}

/** An entry's body as the text that the log stores. Throws on one that its receiver could not read. */
function encodeEntry<R extends Receiver>(receiver: R, body: EntryOf[R]): string {
  const schema = schemaOf(ENTRIES[receiver], body.type);
  if (schema === undefined) throw new TypeError(`no entry of type "${body.type}" goes to the ${receiver}`);
  const text = JSON.stringify(schema.parse(body));
  if (text.length > ENTRY_BYTES_MAX)
    throw new ProtocolError('tooLarge', `a ${body.type} of ${text.length} bytes`);
  return text;
}

/** An entry's body out of the inbox, or the sentence that explains why it cannot be handled. */
function decodeEntry<R extends Receiver>(
  receiver: R,
  text: string,
): { body: EntryOf[R] } | { error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { error: 'the entry is not JSON' };
  }
  const type = typeIn(value);
  if (type === undefined) return { error: 'the entry has no type' };
  const schema = schemaOf(ENTRIES[receiver], type);
  if (schema === undefined)
    return { error: `unknown entry type "${type.slice(0, 100)}": a newer version is needed` };
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { error: `${type}: ${explain(parsed.error)}` };
  return { body: parsed.data as EntryOf[R] }; // As above: looked up by receiver and type.
}

/** The codec of one side: it encodes what that side sends and decodes what it receives. */
export const edgeCodec = {
  encode: (frame: FrameToOrchestrator) => encode('orchestrator', frame),
  decode: (text: string) => decode('edge', text),
  encodeEntry: (body: EntryToOrchestrator) => encodeEntry('orchestrator', body),
  decodeEntry: (text: string) => decodeEntry('edge', text),
};

export const orchestratorCodec = {
  encode: (frame: FrameToEdge) => encode('edge', frame),
  decode: (text: string) => decode('orchestrator', text),
  encodeEntry: (body: EntryToEdge) => encodeEntry('edge', body),
  decodeEntry: (text: string) => decodeEntry('orchestrator', text),
};
