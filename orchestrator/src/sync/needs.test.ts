import { EMPTY_CONFIG } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { machineChecks, needsOf } from './needs.ts';

const ok = { state: 'ok' as const };

describe('what sites need', () => {
  it('are the origins of their routes’ upstreams, each once', () => {
    const upstreams = ['http://127.0.0.1:4000/a', 'http://127.0.0.1:4000/b', 'https://n8n.local/x'];
    const routes = upstreams.map((upstream, n) => ({
      path: `/${n}/*`,
      upstream,
      offline: 'queue' as const,
    }));
    const settings = {
      running: () => [{ siteId: 'shop' }],
      configOf: () => ({ ...EMPTY_CONFIG, routes }),
    };
    expect(needsOf(settings)).toEqual([
      { siteId: 'shop', origins: ['http://127.0.0.1:4000', 'https://n8n.local'] },
    ]);
  });

  it.each([
    ['no tunnel where none was ever seen', { state: 'not_configured' }, ok, [['storage', true]]],
    [
      'a tunnel that is up',
      { state: 'up' },
      ok,
      [
        ['tunnel', true],
        ['storage', true],
      ],
    ],
    [
      'a tunnel that is not down, and a disk that is not full',
      { state: 'down', detail: 'gone' },
      { state: 'full', detail: 'no room' },
      [
        ['tunnel', false],
        ['storage', false],
      ],
    ],
  ] as const)('is %s', (_what, tunnel, storage, checks) => {
    expect(machineChecks({ tunnel, storage }).map(({ name, ok }) => [name, ok])).toEqual(checks);
  });
});
