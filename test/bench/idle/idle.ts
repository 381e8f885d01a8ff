import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HEARTBEAT_MS } from '@clawdbot/protocol';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { numbers } from '../options.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { ownSandbox } from '../sandbox.ts';
import { Channel, type Link } from './channel.ts';

const DEFAULTS = { minutes: 10 };

export const idle = {
  about: 'how often an idle channel wakes its object, heartbeats on: it must be never',
  options: `[--minutes ${DEFAULTS.minutes}]`,
  run(args: string[]): Promise<number> {
    const { minutes } = numbers(args, DEFAULTS);
    return withCleanup((cleanup) => benchmark(minutes, cleanup));
  },
};

async function benchmark(minutes: number, cleanup: Cleanup): Promise<number> {
  console.log('Connecting an orchestrator to an edge …');
  const channel = await connect(cleanup);
  const before = await channel.link();
  const wakes = await quiet(channel);
  console.log(`Quiet. Reading again in ${minutes} minutes.`);
  await delay(minutes * 60_000);
  const wokenTimes = (await channel.wakes()) - wakes;
  const after = await channel.link();
  return report({ minutes, wokenTimes, heartbeats: heartbeatsBetween(before, after), rttMs: after.rttMs });
}

async function connect(cleanup: Cleanup): Promise<Channel> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-idle-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  return new Channel(await ownSandbox(dir, cleanup));
}

/** An object sleeps after 10 s without an event (platform limit); what is seen to be over stays over. */
const LOOK_AGAIN_MS = 12_000;
const QUIET_WITHIN_LOOKS = 10;

/** Waits until the object has slept once undisturbed. @returns its wakes so far */
async function quiet(channel: Channel): Promise<number> {
  let last = await channel.wakes();
  for (let looks = 0; looks < QUIET_WITHIN_LOOKS; looks++) {
    await delay(LOOK_AGAIN_MS);
    const now = await channel.wakes();
    if (now === last) return now;
    last = now;
  }
  throw new Error(`the channel is not quiet: its object was woken in every ${LOOK_AGAIN_MS / 1_000} s`);
}

/**
 * The heartbeats that were answered: all of them, if the socket is the one it was, because the orchestrator gives
 * up a socket whose heartbeat is not answered within half the time to the next.
 */
function heartbeatsBetween(before: Link, after: Link): number {
  if (before.connectedSince !== after.connectedSince)
    throw new Error('the orchestrator has dialled again meanwhile');
  const sentBy = ({ at, connectedSince }: Link) => Math.floor((at - connectedSince) / HEARTBEAT_MS);
  return sentBy(after) - sentBy(before);
}

interface Result {
  readonly minutes: number;
  readonly wokenTimes: number;
  readonly heartbeats: number;
  readonly rttMs: number | undefined;
}

/** @returns the exit code */
function report(result: Result): number {
  const { minutes, wokenTimes, heartbeats, rttMs } = result;
  const rtt = rttMs === undefined ? '' : `, the last within ${rttMs} ms`;
  console.log(
    `In ${minutes} minutes the object was woken ${wokenTimes} times; ${heartbeats} heartbeats were answered${rtt}.`,
  );
  console.log(`Written to ${writeResults('idle', { ...result, machine: machine() })}`);
  return wokenTimes === 0 ? 0 : 1;
}
