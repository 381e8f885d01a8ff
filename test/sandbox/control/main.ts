/**
 * `npm run sandbox -- stop|start|restart <part>`, or `sql "<statement>"` for its D1: asks the running sandbox, and
 * waits until it is done.
 */
import { resolve } from 'node:path';
import { PART_NAMES } from '../parts.ts';
import { readControl } from './file.ts';

const VERBS = ['stop', 'start', 'restart'];
const USAGE = `usage: npm run sandbox -- ${VERBS.join('|')} ${PART_NAMES.join('|')}
       npm run sandbox -- sql "<one statement for the edge's D1>"`;
/** Longer than a part may take to end and to come up again. */
const TIMEOUT_MS = 60_000;

function end(code: number, line: string): never {
  (code === 0 ? console.log : console.error)(line);
  process.exit(code);
}

async function ask(path: string, body?: string): Promise<{ ok: boolean; line: string }> {
  const control = readControl(resolve('.sandbox'));
  if (control === undefined) end(1, 'no sandbox is running here: start one with npm start');
  try {
    const response = await fetch(`${control.url}/${path}`, {
      method: 'POST',
      ...(body === undefined ? {} : { body }),
      headers: { authorization: `Bearer ${control.token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { ok: response.ok, line: (await response.text()).trim() };
  } catch (error) {
    if (error instanceof DOMException) end(1, `${path}: not done within ${TIMEOUT_MS / 1_000} s`);
    end(1, 'no sandbox is running here: start one with npm start');
  }
}

/** What is wrong with the words given, as a line above the usage; nothing to say of words that are missing. */
function wrongWord(verb: string, part: string, more: readonly string[]): string | undefined {
  const names: readonly string[] = PART_NAMES;
  if (verb === 'sql') return part !== '' && more.length === 0 ? undefined : 'put the statement in quotes\n';
  if (verb !== '' && !VERBS.includes(verb)) return `there is no "${verb}": say ${VERBS.join(', ')} or sql\n`;
  if (part !== '' && !names.includes(part))
    return `there is no part "${part}": the parts are ${names.join(', ')}\n`;
  if (more.length > 0) return `there is one part at a time: leave out "${more.join(' ')}"\n`;
  return verb === '' || part === '' ? '' : undefined;
}

const [verb = '', part = '', ...more] = process.argv.slice(2);
const complaint = wrongWord(verb, part, more);
if (complaint !== undefined) end(2, `${complaint}${USAGE}`);
const { ok, line } = await (verb === 'sql' ? ask('sql', part) : ask(`${verb}/${part}`));
end(ok ? 0 : 1, line);
