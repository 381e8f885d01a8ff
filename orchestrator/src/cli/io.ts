/** What the CLI touches of the world, so that its tests need none of it. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly fetcher: typeof fetch;
  readonly wait: (ms: number) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly readStdin: () => Promise<string>;
  /** Asks at the terminal for a line that it does not show; undefined when standard input is no terminal. */
  readonly askHidden?: ((question: string) => Promise<string>) | undefined;
  /** Asks at the terminal for a line; undefined when standard input is no terminal. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Opens a file in the operator's editor, until that is closed; undefined when standard input is no terminal. */
  readonly edit?: ((file: string) => Promise<void>) | undefined;
  /** A result: standard output. */
  readonly out: (text: string) => void;
  /** Progress and complaints: standard error, so that results can be piped. */
  readonly err: (text: string) => void;
  /** Columns of the terminal that results go to; undefined when they go elsewhere. */
  readonly width?: number | undefined;
}

/** What went wrong, in one sentence for the operator; printed without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** A value as indented JSON, as `--json` prints it. */
export const asJson = (value: unknown): string => JSON.stringify(value, null, 2);

/** A complaint as standard error has it: for people, or with `--json` for programs, in one line either way. */
export const asComplaint = (sentence: string, json: boolean): string =>
  json ? JSON.stringify({ error: sentence }) : `clawctl: ${sentence}`;

/** Text as a terminal may have it: what others have written (names, notes, errors) gives it no commands. */
export const inert = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd');

/** … and begins no line of its own. */
export const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ');

/** Columns, as wide as their widest cell. */
export function table(given: readonly (readonly string[])[]): string {
  const rows = given.map((row) => row.map(oneLine));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A table with this header, or that there is nothing to show. */
export const list = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0 ? 'none' : table([header, ...rows]);

const UNITS: readonly [seconds: number, name: string][] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
];

/** `45 s`, `12 min`, `3 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const unit = UNITS.find(([size]) => seconds >= size);
  return unit === undefined ? `${seconds} s` : `${Math.floor(seconds / unit[0])} ${unit[1]}`;
}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
