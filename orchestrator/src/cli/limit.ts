import { InvalidArgumentError } from 'commander';

/** Items that the edge gives at once, at most. */
export const LIST_LIMIT_MAX = 200;

/** `--limit` of a list: what the edge gives at once. */
export function listLimit(text: string): number {
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIST_LIMIT_MAX) return limit;
  throw new InvalidArgumentError(`expected a number from 1 to ${LIST_LIMIT_MAX}.`);
}
