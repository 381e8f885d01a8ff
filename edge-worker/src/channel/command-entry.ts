import {
  ENTRY_BYTES_MAX,
  type EntryToOrchestrator,
  edgeCodec,
  explain,
  Failure,
  ProtocolError,
} from '@clawdbot/protocol';
import { ZodError } from 'zod';

/** `again` is added to a deployment that a restored database may have run already (PROTOCOL L11). */
const COMMAND_BYTES_MAX = ENTRY_BYTES_MAX - ',"again":true'.length;

/** The request was valid and its entry is not: too many modules, or too much in vars. Throws `Failure`. */
export function encoded(entry: EntryToOrchestrator): string {
  try {
    const text = edgeCodec.encodeEntry(entry);
    if (text.length > COMMAND_BYTES_MAX) throw tooLarge();
    return text;
  } catch (cause) {
    if (cause instanceof ProtocolError) throw tooLarge(cause);
    if (cause instanceof ZodError) throw new Failure('bad_request', explain(cause, 'payload'), { cause });
    throw cause;
  }
}

const tooLarge = (cause?: unknown): Failure =>
  new Failure(
    'too_large',
    `the command is larger than the ${COMMAND_BYTES_MAX} characters that the log takes`,
    {
      cause,
    },
  );

/** What stands in the place of a command that is not to be run. */
export const withdrawn = (commandId: string): string =>
  edgeCodec.encodeEntry({ type: 'withdrawn', commandId });
