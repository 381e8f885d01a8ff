import { describe, expect, it } from 'vitest';
import { bench, body, COMMAND, commandOf } from './bench.fixture.ts';
import { dropped } from './cloudflare.fixture.ts';
import { before, ownWorker, start } from './rollout.fixture.ts';

ownWorker();

describe('cancelling a deployment', () => {
  /** Cancels when a call of this kind, the `nth`, has taken effect. */
  const cancelAfter = (call: string): void => {
    bench.cloudflare.fail({
      on: call,
      when: 'after',
      answer: () => {
        bench.cancel();
        throw new TypeError('fetch failed');
      },
    });
  };

  it('before it has begun sends nothing', async () => {
    bench.cancel();
    bench.cloudflare.calls.length = 0;
    await expect(start()).rejects.toThrow('cancelled by an operator');
    expect(bench.cloudflare.calls).toEqual([]);
    expect(bench.deployer().workers()).toMatchObject([{ state: 'deployed', versionId: before }]);
  });

  it.each(['GET deployments', 'POST versions'])('after %s leaves no version', async (call) => {
    cancelAfter(call);
    await expect(start()).rejects.toThrow(/cancelled by an operator/);
    expect(bench.versionsOf(COMMAND)).toEqual([]);
    expect(bench.serving()).toBe(`${before} 100`);
  });

  it.each([
    ['PUT', '/scripts/new', 'new'],
    ['POST', '/versions', 'tracker'],
    ['POST', '/deployments', 'tracker'],
  ])(
    'while a %s of …%s is on its way leaves nothing of it, however late it is carried out',
    async (method, path, name) => {
      let late: () => unknown = () => undefined;
      const fetcher: typeof fetch = async (input, init = {}) => {
        const isIt = init.method === method && String(input).endsWith(path);
        if (isIt) bench.cancel();
        if (!isIt || init.signal?.aborted !== true) return bench.cloudflare.fetcher(input, init);
        late = () => bench.cloudflare.fetcher(input, { ...init, signal: null });
        throw new DOMException('aborted', 'AbortError');
      };
      const deployment = bench.deployer({ fetcher }).deploy(body({ name }), bench.context());
      await expect(deployment).rejects.toMatchObject({ name: 'Cancelled' });
      await late();
      expect(bench.cloudflare.scripts.has('new')).toBe(false);
      expect(bench.serving()).toBe(`${before} 100`);
      if (path === '/versions') expect(bench.versionsOf(COMMAND)).toEqual([]);
    },
  );

  it('during a rollout rolls back, and says so', async () => {
    bench.onWait = () => {
      if (bench.script().deployments[0]?.versions[0]?.percentage === 10) bench.cancel();
    };
    await expect(start()).rejects.toMatchObject({
      name: 'Cancelled',
      message: `cancelled by an operator; rolled back: 100 % to ${before}`,
    });
    expect(bench.serving()).toBe(`${before} 100`);
    expect(bench.events.at(-1)?.data['status']).toBe('cancelled');
  });

  it('of one at once rolls back, too, while it is being proven', async () => {
    bench.cloudflare.serveBy(() => {
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    await expect(bench.deploy()).rejects.toThrow(/rolled back: 100 %/);
    expect(bench.serving()).toBe(`${before} 100`);
  });

  it('takes back the routes and host names that it has added, and no others', async () => {
    const had = { routes: ['a.example/*'], customDomains: ['old.a.example'] };
    const { versionId } = await bench.deploy({ commandId: commandOf(2), ...had });
    bench.cloudflare.domains.push({ id: '7', hostname: 'by-hand.a.example', service: 'tracker' });
    bench.cloudflare.serveBy(() => {
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    bench.cloudflare.fail({ on: 'DELETE domain', when: 'after', answer: dropped });
    const customDomains = ['old.a.example', 'by-hand.a.example', 'new.a.example'];
    await expect(bench.deploy({ routes: ['b.example/*'], customDomains })).rejects.toThrow(
      `rolled back: 100 % to ${versionId}; its routes are as they were; new.a.example is detached again`,
    );
    expect(bench.script().routes).toEqual(['a.example/*']);
    expect(bench.cloudflare.domains.map(({ hostname }) => hostname)).toEqual(customDomains.slice(0, 2));
  });

  it('leaves what somebody else has made of the addresses meanwhile', async () => {
    bench.cloudflare.serveBy(() => {
      bench.script().routes = ['theirs.example/*'];
      for (const domain of bench.cloudflare.domains) domain.service = 'theirs';
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    const addresses = { routes: ['b.example/*'], customDomains: ['new.a.example'] };
    await expect(bench.deploy(addresses)).rejects.toThrow(/rolled back/);
    expect(bench.script().routes).toEqual(['theirs.example/*']);
    expect(bench.cloudflare.domains).toMatchObject([{ hostname: 'new.a.example', service: 'theirs' }]);
  });

  it('of a new Worker takes it away again', async () => {
    cancelAfter('PUT script');
    await expect(bench.deploy({ commandId: commandOf(3), name: 'new' })).rejects.toThrow(/taken away again/);
    expect(bench.cloudflare.scripts.has('new')).toBe(false);
  });
});
