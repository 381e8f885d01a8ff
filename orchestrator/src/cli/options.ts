import { InvalidArgumentError } from 'commander';
import { CliError } from './io.ts';

/** Of an option that may be repeated. */
export const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** `name=value`. Throws `CliError` with this complaint for anything else. */
export function pairOf(text: string, complaint: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError(complaint);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function whole(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number from 1 to 9999.');
}

export function share(text: string): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('expected a number from 0 to 1.');
}

/** Which option gave each member of a request. */
export type Options = Readonly<Record<string, string>>;

/** A complaint that begins with a member's path, as one about the option that gave it: `versionId: …` as `--to: …`. */
export const named = (complaint: string, options: Options): string =>
  complaint.replace(/^(\w+)(?=[.[:])/, (member) => options[member] ?? member);

/** Whatever the edge refuses, said in the words of the command line. */
export const inOptions =
  (options: Options) =>
  (thrown: unknown): never => {
    if (!(thrown instanceof CliError)) throw thrown;
    thrown.message = named(thrown.message, options);
    throw thrown;
  };
