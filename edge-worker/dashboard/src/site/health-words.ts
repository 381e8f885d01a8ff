import type { WorkerCheck } from '@clawdbot/protocol';
import { duration } from '../view/time.ts';
import { medianMs } from './curve.ts';

/** Cloudflare renews certificates a month ahead: with less than this left, somebody should ask why nobody has. */
const CERTIFICATE_SOON_DAYS = 14;

export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly isBad: boolean;
}

/** What the last look has shown, fact by fact. */
export function facts({ status, latencyMs, version, certificateDays, ok }: WorkerCheck): Fact[] {
  return [
    {
      name: 'Last look',
      value: status === undefined ? 'no answer' : `${status} in ${latencyMs ?? 0} ms`,
      isBad: !ok,
    },
    { name: 'Version seen', value: version ?? 'it says none', isBad: false },
    {
      name: 'Certificate',
      value: certificateDays === undefined ? 'no TLS' : `${certificateDays} days left`,
      isBad: certificateDays !== undefined && certificateDays < CERTIFICATE_SOON_DAYS,
    },
  ];
}

/** The curve in words, for whoever does not see it. @param checks the newest first, at least one */
export function summary(name: string, checks: readonly WorkerCheck[], now: number): string {
  const [newest, oldest] = [checks[0]?.at ?? now, checks.at(-1)?.at ?? now];
  const failed = checks.filter(({ ok }) => !ok).length;
  const median = medianMs(checks);
  const slowest = Math.max(0, ...checks.map(({ latencyMs = 0 }) => latencyMs));
  const span = newest === oldest ? '' : ` over ${duration(newest - oldest)}`;
  return [
    `Latency of ${name}${span}: `,
    median === undefined ? 'nobody ever answered' : `${median} ms at the median, ${slowest} ms at the most`,
    `; ${failed === 0 ? 'no look' : `${failed} of ${checks.length} looks`} failed`,
    `; last looked at ${duration(now - newest)} ago.`,
  ].join('');
}
