import type { Event } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { event } from '../live/live.fixture.ts';
import { tell } from './event-words.ts';

const told = (type: Event['type'], data: Event['data']) => tell({ ...event(1), type, data });

it.each([
  [
    'worker_deployment',
    { status: 'deployed', name: 'hello', proof: 'observed' },
    'hello is deployed and answered with its version',
  ],
  [
    'worker_deployment',
    { status: 'deployed', name: 'hello', proof: 'reachable' },
    'hello is deployed and answers',
  ],
  [
    'worker_deployment',
    { status: 'deployed', name: 'hello', proof: 'accepted' },
    'hello is deployed: accepted, not seen yet',
  ],
  [
    'worker_deployment',
    { status: 'failed', name: 'hello', error: 'no such account' },
    'hello was not deployed: no such account',
  ],
  [
    'worker_deployment',
    { status: 'shifting', name: 'hello', percentage: 10 },
    'hello: the new version has 10 % of the traffic',
  ],
  [
    'worker_deployment',
    { status: 'drifted', name: 'hello', error: 'the Worker is gone' },
    'hello was changed outside: the Worker is gone',
  ],
  ['worker_deployment', { status: 'aligned', name: 'hello' }, 'hello is again as it was deployed'],
  ['worker_deployment', { status: 'adopted', name: 'hello' }, 'hello was taken over as it is'],
  ['config_change', { status: 'applied', generation: 7, digest: 'd' }, 'Config generation 7 runs'],
  [
    'config_change',
    { status: 'refused', generation: 8, error: 'routes overlap' },
    'Config generation 8 was refused: routes overlap',
  ],
  ['health_check', { status: 'healthy', checks: [{ name: 'upstream', ok: true }] }, 'Healthy again'],
  [
    'health_check',
    { status: 'healthy', worker: 'hello', checks: [{ name: 'Worker hello', ok: true }] },
    'hello is healthy again',
  ],
  [
    'health_check',
    {
      status: 'unhealthy',
      checks: [
        { name: 'tunnel', ok: true },
        { name: 'http://localhost:4000', ok: false, detail: 'refused' },
      ],
    },
    'Unhealthy: http://localhost:4000: refused',
  ],
] as const)('%s %o is told as “%s”', (type, data, words) => {
  expect(told(type, data as Event['data']).words).toBe(words);
});

it('what went wrong is marked', () => {
  expect(told('config_change', { status: 'refused', generation: 8 }).trouble).toBe(true);
  expect(told('config_change', { status: 'applied', generation: 8 }).trouble).toBe(false);
});

it('a deployment links to its address, and to nothing that a browser would run', () => {
  const at = (url: string) =>
    told('worker_deployment', { status: 'deployed', name: 'hello', proof: 'reachable', url });
  expect(at('https://hello.example.workers.dev').url).toBe('https://hello.example.workers.dev');
  expect(at('javascript:alert(1)').url).toBeUndefined();
  expect(at('javascript:alert(1)').words).toBe('hello is deployed and answers');
});

it('data of a shape that nobody knows is shown as it came', () => {
  expect(told('health_check', { mood: 'fine' }).words).toBe('{"mood":"fine"}');
});
