import { afterClose, CLOSE, closeName, type ErrorCode, problem } from '@clawdbot/protocol';

/** What to do after a dial or a session has ended, and the sentence that says why. */
export type Verdict =
  | { readonly after: 'retry'; readonly reason: string; readonly floorMs?: number }
  /** Never dial again: only an operator can change the outcome. */
  | { readonly after: 'fatal'; readonly reason: string }
  /** The edge announced the end: dial now, the old socket may still answer. */
  | { readonly after: 'redial'; readonly reason: string };

const retry = (reason: string, floorMs: number | undefined): Verdict => ({
  after: 'retry',
  reason,
  ...(floorMs === undefined ? {} : { floorMs }),
});

/** @param announcedMs what the edge asked for before it closed, if it did */
export function verdictOfClose(code: number, reason: string, announcedMs?: number): Verdict {
  const name = closeName(code);
  const meaning = name === undefined ? `closed with ${code}` : CLOSE[name].meaning;
  const sentence = reason === '' ? meaning : `${meaning} (${reason})`;
  return afterClose(code) === 'fatal' ? { after: 'fatal', reason: sentence } : retry(sentence, announcedMs);
}

/** The answer to an upgrade that was not accepted. */
export interface Refusal {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Fatal by our own edge's word only: any 403 or 426 may also come from something that stands before it. */
const FATAL: ReadonlySet<string> = new Set<ErrorCode>([
  'key_revoked',
  'lane_not_granted',
  'upgrade_required',
]);

/** What the edge's answer to an upgrade asks of us (PROTOCOL D4). */
export function verdictOfRefusal({ status, retryAfter, body }: Refusal): Verdict {
  const said = problem.safeParse(parse(body)).data;
  const sentence = `the edge refused the upgrade with ${status}${said === undefined ? '' : ` ${said.code}: ${said.detail}`}`;
  if (said !== undefined && FATAL.has(said.code)) return { after: 'fatal', reason: sentence };
  return retry(sentence, said?.retryAfterMs ?? retryAfterMs(retryAfter));
}

/** Whole seconds only: our edge sends no HTTP date (RFC 9110 §10.2.3). */
const retryAfterMs = (header: string | undefined): number | undefined =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : undefined;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
