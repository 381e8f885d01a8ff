import type { Logger } from '../../orchestrator/src/log.ts';

/** What happened in a run, in order; kept only for a run that somebody reads. */
export class Trace {
  readonly lines: string[] = [];
  readonly #now: () => number;
  readonly #kept: boolean;

  constructor(now: () => number, kept: boolean) {
    this.#now = now;
    this.#kept = kept;
  }

  note(line: string): void {
    if (this.#kept) this.lines.push(`${(this.#now() / 1_000).toFixed(3).padStart(10)} ${line}`);
  }

  /** The edge writes to the console: its lines belong to the run. */
  takeConsole(): void {
    const write = (...parts: unknown[]) => this.note(`edge: ${parts.map(String).join(' ')}`);
    Object.assign(console, { warn: write, error: write });
  }

  /** The product's own log lines, in the trace. */
  logger(name: string): Logger {
    const write = (message: unknown, fields?: unknown) =>
      this.#kept &&
      this.note(
        `${name}: ${String(message)}${fields === undefined ? '' : ` ${JSON.stringify(fields, errors)}`}`,
      );
    const logger = { error: write, warn: write, info: write, debug: write, child: () => logger };
    return logger as unknown as Logger; // winston's overloads; the product uses these.
  }
}

const errors = (_key: string, value: unknown): unknown =>
  value instanceof Error ? `${value.name}: ${value.message}` : value;
