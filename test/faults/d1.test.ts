import { isFinal } from '@clawdbot/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { edgeSide } from './oracle/collect.ts';
import { judge } from './oracle/judge.ts';
import { type Operation, SITES } from './plan.ts';
import { Rig } from './rig.ts';

let rig: Rig;
const given = new Ledger();

beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const operations = (state: string): Operation[] => [
  { kind: 'deploy', name: `under-${state}`, cancel: false },
  { kind: 'edit', site: SITES[0] },
];

/** As the object has it: it answers without D1, and so does this. */
const states = async () => edgeSide(rig).commands.map(({ state }) => state);

test.for(['fail', 'slow'] as const)(
  'D1 told to %s: requests and commands go on, and the lists catch up',
  async (state) => {
    await rig.request('/echo');
    // What is given is under way when D1 begins to fail.
    rig.cable.swallow();
    await new Load(rig, given, state === 'fail' ? 1 : 2, operations(state)).run();
    await rig.database.behave(state);
    rig.cable.mend();
    expect(await rig.request('/echo')).toBe(200);
    await eventually('all has ended', states, (all) => all.every(isFinal));
    const { violations: behind } = await judge(rig, given, 500);
    if (state === 'fail') expect(behind, 'D1 was told nothing').not.toEqual([]);
    await rig.database.behave('ok');
    expect((await judge(rig, given)).violations).toEqual([]);
  },
);

test('while D1 fails, new commands are taken, and an orchestrator that dials is let in', async () => {
  await rig.database.behave('fail');
  rig.cable.cut();
  await new Load(rig, given, 3, operations('new')).run();
  await eventually('all has ended', states, (all) => all.every(isFinal));
  expect(await rig.request('/echo')).toBe(200);
  await rig.database.behave('ok');
  expect((await judge(rig, given)).violations).toEqual([]);
});
