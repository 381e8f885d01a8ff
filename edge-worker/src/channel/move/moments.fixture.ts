import { runInDurableObject } from 'cloudflare:test';
import { Failure } from '@clawdbot/protocol';
import { vi } from 'vitest';
import type { Answer } from '../answer.ts';
import { stubOf } from '../channel.fixture.ts';
import { Channel } from '../channel.ts';
import { Back } from './back.ts';
import type { Departure } from './book.ts';
import { Forward } from './forward.ts';
import type { Arrival, ArrivalMessage } from './rpc.ts';
import { becomes, Scene } from './scene.fixture.ts';

/** What is said to the new object, in this order; `undo` when the move fails. */
export const MESSAGES = ['offer', 'rows configs', 'rows secrets', 'config', 'receipts', 'own'] as const;
export const UNDO_MESSAGES = ['undo'] as const;
/** The steps of the object that has the site, each of which ends in a state that it wrote. */
export const STEPS = ['prepare', 'load', 'commit', 'follow', 'leave'] as const;
export const UNDO_STEPS = ['undo', 'close'] as const;

/** Something to be done once, at one moment of one scene's move. */
export interface Moment {
  readonly at: string;
  readonly strike: (moveId: string) => Promise<void>;
}
/** By the orchestrator that has the site at first. */
export const moments = new Map<string, Moment>();
/** New objects that have no room, by the orchestrator that has the site. */
export const full = new Set<string>();
/** Those whose moves have had their minute, by the orchestrator that has the site at first. */
export const late = new Set<string>();

async function pass(moveId: string, at: string): Promise<void> {
  const moment = moments.get(sourceOf(moveId));
  if (moment?.at !== at) return;
  moments.delete(sourceOf(moveId));
  await moment.strike(moveId);
}

const sourceOf = (moveId: string): string => moveId.split('_')[1] ?? '';
const nameOf = (message: ArrivalMessage): string =>
  message.is === 'rows' ? `rows ${message.table}` : message.is;

/** Has every message and every step pass by `moments`. */
export function watchMoments(): void {
  const arrival = Channel.prototype.arrival;
  vi.spyOn(Channel.prototype, 'arrival').mockImplementation(async function (this: Channel, message) {
    const { moveId } = message;
    await pass(moveId, `before saying ${nameOf(message)}`);
    const refused: Answer<Arrival> = { ok: false, error: new Failure('log_full', 'no room').toWire() };
    const isRefused = message.is === 'receipts' && full.has(sourceOf(moveId));
    const answer = isRefused ? refused : await arrival.call(this, message);
    await pass(moveId, `after saying ${nameOf(message)}`);
    return answer;
  });
  for (const step of STEPS) {
    const run = Forward.prototype[step];
    vi.spyOn(Forward.prototype, step).mockImplementation(async function (
      this: Forward,
      move: Departure,
      until = 0,
    ) {
      const left = late.has(sourceOf(move.moveId)) ? 0 : until;
      return struckAround(step, move, () => run.call(this, move, left));
    });
  }
  for (const step of UNDO_STEPS) {
    const run = Back.prototype[step];
    vi.spyOn(Back.prototype, step).mockImplementation(async function (this: Back, move) {
      return struckAround(step, move, () => run.call(this, move));
    });
  }
}

async function struckAround(step: string, { moveId }: Departure, run: () => Promise<boolean>) {
  await pass(moveId, `before ${step}`);
  const done = await run();
  await pass(moveId, `after ${step}`);
  return done;
}

/** Ends an object as a crash does: what it had in memory is gone, and all that was on its way to and from it. */
export const kill = async (orchestratorId: string): Promise<void> => {
  await runInDurableObject(stubOf(orchestratorId), (_, context) => context.abort('killed')).catch(() => {});
};

/** A site with one request that was delivered and two that the orchestrator holds, whose move is struck at a moment. */
export async function begun(prefix: string, momentOf: (scene: Scene) => Moment) {
  const scene = await Scene.make(prefix);
  const { from, to } = scene;
  for (const vps of [from, to]) await vps.connect();
  const old = await scene.post(from, 'delivered before');
  await becomes(() => from.delivered, [old]);
  await becomes(async () => (await scene.receipt(from, old)).state, 'delivered');
  from.isWorking = false;
  const held = [await scene.post(from, 'one'), await scene.post(from, 'two')];
  await becomes(() => from.got.length, 3);
  moments.set(from.id, momentOf(scene));
  const move = await scene.move();
  return { scene, from, to, old, held, move };
}
export type Begun = Awaited<ReturnType<typeof begun>>;

/** A customer sends until it is taken. */
export async function insist(scene: Scene, body: string): Promise<string> {
  for (;;) {
    const id = await scene.post(scene.from, body).catch(() => undefined);
    if (id !== undefined) return id;
  }
}

/** Both orchestrators dial again when their sockets are gone; whoever asks wakes the objects. */
export async function ends({ scene, from, to, move }: Begun, state: string): Promise<void> {
  const stateNow = async () => {
    for (const vps of [from, to]) await vps.stay().catch(() => {});
    return (await scene.look(move).catch(() => undefined))?.state;
  };
  await becomes(stateNow, state, 15_000);
}
