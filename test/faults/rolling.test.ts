import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { choosePorts } from '../sandbox/ports.ts';
import { Part } from '../sandbox/processes/part.ts';
import { answers } from '../sandbox/processes/polling.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { LEASELESS, mutationsOf } from './mutants.ts';
import { judge } from './oracle/judge.ts';
import { drawDeployments } from './plan.ts';
import { Rig, type RigOptions } from './rig.ts';
import type { Violation } from './violation.ts';

interface Startable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Another process of the same orchestrator, on the same DATA_DIR. */
async function anotherOf({ sandbox }: Rig): Promise<Startable> {
  const { env, ...spec } = sandbox.spec('orchestrator');
  const { dir } = sandbox.layout;
  const { orchestrator: port } = (await choosePorts(join(dir, 'keys'), {}, Math.random)).ports;
  const part = new Part(
    {
      ...spec,
      env: { ...env, PORT: String(port) },
      output: { file: join(dir, 'logs/another.log') },
      isUp: () => answers(`http://127.0.0.1:${port}/ready`),
    },
    { changed: () => undefined, revived: () => undefined },
  );
  onTestFinished(() => part.stop());
  return part;
}

const RESTARTS = 6;

/** Under load the next process is started beside the last one, which goes when that has taken over. */
async function rollingRestarts(options: RigOptions, agreeWithinMs?: number): Promise<readonly Violation[]> {
  const rig = await Rig.start(options);
  onTestFinished(() => rig.stop());
  const { sandbox } = rig;
  const own = {
    start: () => sandbox.startPart('orchestrator'),
    stop: () => sandbox.stopPart('orchestrator'),
  };
  const processes = [own, await anotherOf(rig)];
  const given = new Ledger();
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    const [last, next] = restart % 2 === 0 ? processes : processes.toReversed();
    const load = new Load(rig, given, restart, drawDeployments(restart)).run();
    await rig.cable.crossed('up', 2 + 2 * restart, AbortSignal.timeout(5_000));
    const [started] = await Promise.allSettled([next?.start()]);
    // The edge refuses a database in which it misses what it was sent.
    if (started.status === 'rejected') return [{ kind: 'stuck', what: String(started.reason) }];
    await load;
    const { violations } = await judge(rig, given, agreeWithinMs);
    if (violations.length > 0) return violations;
    await last?.stop();
  }
  return [];
}

test('two processes on one DATA_DIR share no command: what the older one had begun, the newer one ends once', {
  timeout: 180_000,
}, async () => {
  expect(await rollingRestarts({})).toEqual([]);
});

test('without the lease they do', { timeout: 180_000 }, async () => {
  expect(await rollingRestarts({ mutations: mutationsOf(LEASELESS) }, 5_000)).not.toEqual([]);
});
