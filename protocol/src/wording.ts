import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { counted } from './counted.ts';

type Issue = z.core.$ZodRawIssue;

/** Of a member that is not known: so many known ones are named when none of them is near. */
const NAMED_MAX = 12;

/**
 * zod's own words where ours say better what to do. Set for all schemas at once, because only here a schema's members
 * are still known: the issue that a parse ends in no longer has them.
 */
z.config({ customError: wording });

function wording(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownMember(issue.keys, membersOf(issue.inst));
    case 'too_small':
      return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${amount(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `expected ${issue.inclusive === false ? 'less than' : 'at most'} ${amount(issue.maximum, issue.origin)}`;
    default:
      return undefined;
  }
}

/** The first of them is named by the issue's path (errors.ts). */
function unknownMember([key = '', ...others]: readonly string[], members: readonly string[]): string {
  const more = others.length === 0 ? '' : `; and so are ${others.join(', ')}`;
  return `unknown${more}${hint(key, members)}`;
}

function hint(key: string, members: readonly string[]): string {
  if (members.length === 0) return '; leave it out';
  const near = closest(key, [...members]);
  if (distance(key.toLowerCase(), near.toLowerCase()) <= Math.max(2, Math.floor(near.length / 3)))
    return `; did you mean ${near}?`;
  return members.length > NAMED_MAX ? '' : `; known are ${members.join(', ')}`;
}

const membersOf = (schema: unknown): string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'item', set: 'item' };

function amount(count: number | bigint, origin: string): string {
  const unit = UNITS[origin];
  return unit === undefined ? String(count) : counted(Number(count), unit);
}
