import { Writable } from 'node:stream';
import { createLogger, type Logger } from './log.ts';

/** A logger that a test can read. */
export function recordingLogger(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { log: createLogger({ level: 'debug', production: true, out }), lines };
}
