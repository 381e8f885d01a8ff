import { type ConfigConsumer, digestOf, EMPTY_CONFIG, type SiteConfigState } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { command, event, move, orchestrator } from '../live/live.fixture.ts';
import type { Picture } from '../live/picture.ts';
import { configStanding, consumers } from './config-words.ts';
import { outcome, stateWord } from './deployment-words.ts';
import { merged } from './merged.ts';
import type { SteppedDeployment } from './reads.ts';
import { siteNews } from './site-news.ts';

const deployment = (more: Partial<SteppedDeployment>): SteppedDeployment => ({
  ...{ commandId: 'cmd_vps_0000000000000000', type: 'deploy_worker', name: 'hello', siteId: 'shop' },
  ...{ orchestratorId: 'vps', state: 'running', updatedAt: 1 },
  ...more,
});
const step = (milestone: string, detail?: string) => ({
  milestone,
  ...(detail === undefined ? {} : { detail }),
});

describe('a deployment', () => {
  it.each([
    [{ state: 'queued' }, 'waits for the orchestrator'],
    [{}, 'has begun'],
    [{ step: step('uploaded', 'version 1f0e') }, 'is uploaded, and gets its first visitors'],
    [{ step: step('shifted', '10 % to version 1f0e'), percentage: 10 }, '10 % of the traffic, baking'],
    [{ step: step('healthy', 'at 10 %: 5 of 5 good'), percentage: 10 }, 'healthy at 10 %: 5 of 5 good'],
    [{ step: step('undoing', 'it is ill') }, 'is being taken back (it is ill)'],
    [{ step: step('waiting', 'for cmd_1') }, 'waiting (for cmd_1)'],
    [{ state: 'succeeded', proof: 'observed' }, 'observed: it answered with its own version'],
    [{ state: 'succeeded', proof: 'accepted' }, 'accepted: not seen yet'],
    [{ state: 'failed', error: 'the health check failed' }, 'the health check failed'],
    [{ state: 'cancelled', reason: 'superseded' }, 'superseded'],
  ] as const)('%o is told as “%s”', (more, words) => {
    expect(outcome(deployment(more))).toBe(words);
  });

  it('is named by what was asked: a rollback is no deployment', () => {
    expect(stateWord({ type: 'rollback_worker', state: 'succeeded' })).toBe('rolled back');
    expect(stateWord({ type: 'deploy_worker', state: 'failed' })).toBe('not deployed');
    expect(stateWord({ type: 'adopt_worker', state: 'running' })).toBe('running');
  });
});

describe('a config', () => {
  const state = (relay: ConfigConsumer, worker?: ConfigConsumer, generation = 7): SiteConfigState => ({
    ...{ siteId: 'shop', generation, digest: digestOf(EMPTY_CONFIG), config: EMPTY_CONFIG, warnings: [] },
    applied: { relay, edge: { state: 'applied' }, ...(worker === undefined ? {} : { worker }) },
  });

  it('is applied when all who have to use it say so, and else what the worst of them says', () => {
    expect(configStanding(state({ state: 'applied' })).word).toBe('applied');
    expect(configStanding(state({ state: 'applied' }, { state: 'pending' })).word).toBe('pending');
    expect(configStanding(state({ state: 'refused' }, { state: 'pending' })).word).toBe('refused');
    expect(configStanding(state({ state: 'pending' }, undefined, 0)).word).toBe('no config');
  });

  it('says of each what it uses instead, and why', () => {
    expect(consumers(state({ state: 'refused', generation: 6, why: 'routes overlap' }))).toEqual([
      { name: 'the VPS', words: 'refused, uses generation 6: routes overlap' },
      { name: 'the edge', words: 'applied' },
    ]);
  });
});

describe('the news of a site', () => {
  const picture = (more: Partial<Picture> = {}): Picture => ({
    ...{ orchestrators: [orchestrator('vps', 'online')], commands: [], moves: [], events: [], missed: 0 },
    ...more,
  });
  const before = siteNews(picture(), 'shop', 'vps');
  const changed = (more: Partial<Picture>) => {
    const after = siteNews(picture(more), 'shop', 'vps');
    return Object.keys(after).filter(
      (part) => after[part as keyof typeof after] !== before[part as keyof typeof after],
    );
  };

  it.each([
    ['a command', { commands: [command(1, 'running')] }, ['deployments', 'config', 'health', 'waiting']],
    [
      'a deployment',
      { events: [{ ...event(1), type: 'worker_deployment' as const }] },
      ['deployments', 'config', 'health'],
    ],
    ['an unwell Worker', { events: [event(1)] }, ['health']],
    ['a VPS that left', { orchestrators: [orchestrator('vps', 'away')] }, ['config', 'health']],
    ['a move', { moves: [move(1)] }, ['deployments', 'config', 'health', 'waiting', 'moves']],
    [
      'another site',
      { commands: [{ ...command(1, 'running'), siteId: 'x' }], events: [{ ...event(1), siteId: 'x' }] },
      [],
    ],
    ['another VPS', { orchestrators: [orchestrator('vps', 'online'), orchestrator('x', 'away')] }, []],
  ])('%s asks again for what it may have changed, and nothing else', (_, more, parts) => {
    expect(changed(more)).toEqual(parts);
  });
});

it('events come live before D1 has them, and stand there once', () => {
  const known = [event(3), event(1)];
  expect(merged([event(4), event(3)], known).map(({ receivedAt }) => receivedAt)).toEqual([4, 3, 1]);
  expect(merged([event(3)], known)).toBe(known);
});
