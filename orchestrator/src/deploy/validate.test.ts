import { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { bench, body, COMMAND, FIRST, ownBench, refsOf } from './bench.fixture.ts';

ownBench();

describe('what cannot be deployed is refused before anything is sent', () => {
  const code = (text: string) => {
    bench.modules['src/index.js'] = text;
  };

  it('our own variable’s name, in the site’s config too', async () => {
    const siteVars = () => ({ CF_VERSION_METADATA: 'x' });
    const failing = bench.deployer({ siteVars }).deploy(body(), bench.context());
    await expect(failing).rejects.toThrow(/CF_VERSION_METADATA/);
    expect(bench.cloudflare.calls).toEqual([]);
  });

  it.each([
    ['code that does not parse', 'export default {\n  fetch( {', /src\/index\.js:2:\d+ does not parse/],
    ['a JSON module that is none', undefined, /lib\/data\.json is not JSON/],
  ])('%s', async (_what, source, message) => {
    if (source === undefined) bench.modules['lib/data.json'] = '{';
    else code(source);
    await expect(bench.deploy()).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(message),
    });
    expect(bench.cloudflare.calls.filter((call) => !call.startsWith('GET'))).toEqual([]);
  });

  it.each([
    ['no Worker', {}, []],
    ['a Worker as it was', { commandId: FIRST }, [{ name: 'tracker', siteId: 'site-1', state: 'deployed' }]],
  ])('and leaves %s behind: the command’s failure is its trace', async (_what, first, left) => {
    if ('commandId' in first) await bench.deploy(first);
    const before = bench.deployer().workers();
    bench.now += 1_000;
    code('export default {');
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'bad_request' });
    expect(bench.deployer().workers()).toEqual(before);
    expect(before).toMatchObject(left);
    expect(bench.sql.run('SELECT state FROM deployments WHERE command_id = ?', COMMAND)).toEqual([
      { state: 'failed' },
    ]);
  });

  it('a main module that is none of the modules', async () => {
    const failing = bench.deploy({ modules: refsOf(['note.txt']) });
    await expect(failing).rejects.toThrow(/main module src\/index\.js/);
  });

  it('a host name that is another Worker’s', async () => {
    bench.cloudflare.domains.push({ id: '7', hostname: 'shop.a.example', service: 'theirs' });
    const failing = bench.deploy({ customDomains: ['shop.a.example'] });
    await expect(failing).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/shop\.a\.example is the Worker theirs's/),
    });
    expect(bench.cloudflare.scripts.size).toBe(0);
  });

  it('a secret that is not set', async () => {
    const missing = new Failure('secret_missing', 'clawctl secrets set site-1 shop-key');
    const secret = () => Promise.reject(missing);
    await expect(bench.deploy({ secrets: { KEY: 'shop-key' } }, { secret })).rejects.toMatchObject({
      code: 'secret_missing',
    });
    expect(bench.cloudflare.scripts.size).toBe(0);
  });

  it('anything, without a token', async () => {
    const failing = bench.deployer({ cloudflare: undefined }).deploy(body(), bench.context());
    await expect(failing).rejects.toMatchObject({
      code: 'not_configured',
      message: expect.stringMatching(/CLOUDFLARE_API_TOKEN/),
    });
  });
});
