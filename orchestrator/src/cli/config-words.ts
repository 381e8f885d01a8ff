import type { ConfigConsumer, SiteConfigState } from '@clawdbot/protocol';
import { when } from './desk.ts';
import { oneLine } from './io.ts';

/** What is desired, who uses it, and what keeps the others from it. */
export function standingLines(state: SiteConfigState): string[] {
  const { applied, warnings } = state;
  const consumers = [
    line('relay', applied.relay),
    line('edge', applied.edge),
    ...(applied.worker === undefined ? [] : [line('worker', applied.worker)]),
  ];
  return [desired(state), ...consumers.map((text) => `  ${text}`), ...failure(state), ...warnings.map(warn)];
}

const warn = (warning: string): string => `warning: ${warning}`;

function desired({ generation, updatedAt, author, note }: SiteConfigState): string {
  const at = updatedAt === undefined ? '' : ` of ${when(updatedAt)}`;
  const by = author === undefined ? '' : ` by ${author}`;
  return `desired: generation ${generation}${at}${by}${note === undefined ? '' : ` (${oneLine(note)})`}`;
}

function line(name: string, { state, generation, at, why }: ConfigConsumer): string {
  const since = state === 'applied' && at !== undefined ? ` at ${when(at)}` : '';
  const uses = state === 'applied' || generation === undefined ? '' : `, generation ${generation} is used`;
  return `${name}: ${state}${since}${uses}${why === undefined ? '' : `: ${why}`}`;
}

/** Of the last attempt, when that failed; an older failure was mended. */
function failure({ lastAttempt, lastGood }: SiteConfigState): string[] {
  if (lastAttempt?.error === undefined) return [];
  const { generation, at, failures } = lastAttempt;
  const times = failures === 1 ? 'once' : `${failures} times`;
  const good =
    lastGood === undefined ? 'none ever ran' : `the last good one is generation ${lastGood.generation}`;
  return [`  generation ${generation} failed ${times}, last at ${when(at)}; ${good}`];
}
