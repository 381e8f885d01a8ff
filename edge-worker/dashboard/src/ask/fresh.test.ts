import { expect, it } from 'vitest';
import { World } from '../live/live.fixture.ts';
import { Fresh } from './fresh.ts';

/** Questions that the test answers itself. */
class Edge {
  readonly world = new World();
  readonly questions: PromiseWithResolvers<string>[] = [];
  isHidden = false;
  readonly fresh = new Fresh(
    () => {
      const question = Promise.withResolvers<string>();
      this.questions.push(question);
      return question.promise;
    },
    30_000,
    { ...this.world.ports, hidden: () => this.isHidden },
  );

  async answer(value: string): Promise<void> {
    this.questions.at(-1)?.resolve(value);
    await settled();
  }

  async refuse(why: string): Promise<void> {
    this.questions.at(-1)?.reject(new Error(why));
    await settled();
  }
}

const settled = async () => {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
};

const started = () => {
  const edge = new Edge();
  edge.fresh.start();
  return edge;
};

it('is asked at once, and again every half minute', async () => {
  const edge = started();
  const { fresh, world, questions } = edge;
  expect([fresh.view(), questions.length]).toEqual([{ state: 'loading' }, 1]);
  await edge.answer('one');
  expect(fresh.view()).toEqual({ state: 'here', value: 'one', at: world.now });
  world.pass(29_999);
  expect(questions).toHaveLength(1);
  world.pass(1);
  expect(questions).toHaveLength(2);
});

it('is asked again on news, and never twice within two seconds', async () => {
  const edge = started();
  await edge.answer('one');
  for (let n = 0; n < 50; n += 1) {
    edge.fresh.again();
    edge.world.pass(100);
    await edge.answer(`${n}`);
  }
  expect(edge.questions.length).toBeLessThanOrEqual(4);
  expect(edge.questions.length).toBeGreaterThanOrEqual(3);
});

it('news that come while it is asked are asked about afterwards', async () => {
  const edge = started();
  edge.fresh.again();
  edge.world.pass(5_000);
  expect(edge.questions).toHaveLength(1);
  await edge.answer('one');
  edge.world.pass(0);
  expect(edge.questions).toHaveLength(2);
});

it('what is known stays while the edge does not answer, and the reason is shown', async () => {
  const edge = started();
  await edge.refuse('no network');
  expect(edge.fresh.view()).toEqual({ state: 'failed', why: 'no network' });
  edge.world.pass(30_000);
  await edge.answer('one');
  const { now: at } = edge.world;
  edge.world.pass(30_000);
  await edge.refuse('no network');
  expect(edge.fresh.view()).toEqual({ state: 'here', value: 'one', at, trouble: 'no network' });
  edge.world.pass(30_000);
  await edge.answer('two');
  expect(edge.fresh.view()).toEqual({ state: 'here', value: 'two', at: at + 60_000 });
});

it('while nobody looks at the page nothing is asked; then it is at once', async () => {
  const edge = started();
  await edge.answer('one');
  edge.isHidden = true;
  edge.world.pass(300_000);
  expect(edge.questions).toHaveLength(1);
  edge.isHidden = false;
  edge.world.pass(1_000);
  expect(edge.questions).toHaveLength(2);
});

it('ends with its component: no timer is left, and a late answer is nobody’s', async () => {
  const edge = started();
  edge.fresh.stop();
  await edge.answer('late');
  expect([edge.fresh.view(), edge.world.timers]).toEqual([{ state: 'loading' }, 0]);
});
