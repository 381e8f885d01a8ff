import { describe, expect, it } from 'vitest';
import { bench, FIRST, ownBench } from './bench.fixture.ts';
import { dropped, refusal } from './cloudflare.fixture.ts';

ownBench();

describe('trouble on the way', () => {
  it.each(['PUT script', 'GET deployments', 'POST subdomain'])('goes on after a 503 of %s', async (on) => {
    bench.cloudflare.fail({ on, when: 'before', answer: () => refusal(503, 10_013, 'try later') });
    await bench.deploy();
    expect(bench.script().versions).toHaveLength(1);
  });

  it.each(['PUT script', 'POST versions', 'POST deployments'])(
    'makes one version and one deployment although the answer of %s was lost',
    async (on) => {
      if (on !== 'PUT script') await bench.deploy({ commandId: FIRST });
      const before = bench.cloudflare.scripts.get('tracker')?.versions.length ?? 0;
      bench.cloudflare.fail({ on, when: 'after', answer: dropped });
      const result = await bench.deploy();
      expect(bench.script().versions).toHaveLength(before + 1);
      expect(bench.script().deployments).toHaveLength(before + 1);
      expect(result.versionId).toBe(bench.script().versions[0]?.id);
    },
  );

  it('waits as long as a 429 says', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '42' });
    bench.cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await bench.deploy();
    expect(bench.waits).toContain(42_000);
  });

  it('gives up, and says when to come back, when told to wait for longer than a pause', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '3600' });
    bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer });
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'cloudflare_unavailable' });
  });

  it('gives up after five attempts', async () => {
    for (let n = 0; n < 5; n++)
      bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer: dropped });
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'cloudflare_unavailable' });
    expect(bench.cloudflare.calls).toHaveLength(5);
  });

  it('hands on what Cloudflare said when it refuses, once, and marks the Worker failed', async () => {
    const answer = () => refusal(400, 10_021, 'Uncaught SyntaxError:\n  Unexpected token');
    bench.cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await expect(bench.deploy()).rejects.toMatchObject({
      code: 'cloudflare_refused',
      message: 'Cloudflare answered 400: Uncaught SyntaxError: Unexpected token (code 10021)',
    });
    expect(bench.cloudflare.calls).toEqual(['GET deployments', 'PUT script']);
    expect(bench.deployer().workers()).toMatchObject([{ name: 'tracker', state: 'failed' }]);
  });

  it('leaves a Worker that runs deployed, with the version and url that run', async () => {
    const { versionId, url } = await bench.deploy({ commandId: FIRST });
    const answer = () => refusal(400, 10_021, 'no');
    bench.cloudflare.fail({ on: 'POST versions', when: 'before', answer });
    await expect(bench.deploy()).rejects.toThrow();
    expect(bench.deployer().workers()).toMatchObject([
      { state: 'deployed', versionId, url, proof: 'reachable' },
    ]);
  });

  it('says what to check when the token is refused', async () => {
    const answer = () => refusal(403, 10_000, 'Authentication error');
    bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer });
    await expect(bench.deploy()).rejects.toThrow(/10000.*CLOUDFLARE_API_TOKEN/);
  });
});
