import { fstatSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';

const STDOUT = 1;

/**
 * Standard output for log lines. Redirected to a file whose disk is full, a line is lost and the next one is tried
 * again: Node's own stream would end with the first, and the process with it.
 */
export function standardOutput(): Writable {
  const stat = fstatSync(STDOUT);
  // A terminal and a pipe have no disk, and Node knows how to write to them when they are slow.
  return (stat.isFile() || stat.isCharacterDevice()) && !process.stdout.isTTY ? lossy() : process.stdout;
}

const lossy = (): Writable =>
  new Writable({
    write(line: Buffer, _encoding, done) {
      try {
        writeSync(STDOUT, line);
      } catch {
        // There is nowhere to say it.
      }
      done();
    },
  });
