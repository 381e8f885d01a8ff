import { describe, expect, it } from 'vitest';
import { Bench, bench, body, COMMAND, commandOf, FIRST, ownBench } from './bench.fixture.ts';

ownBench();

describe('a Worker’s name', () => {
  it('is the site’s that deployed it first, until that site is deleted', async () => {
    await bench.deploy({ commandId: FIRST });
    const other = { siteId: 'site-2' };
    await expect(bench.deploy(other)).rejects.toMatchObject({ code: 'conflict' });
    expect(bench.script().versions).toHaveLength(1);
    bench.deployer().release('site-1', false);
    await bench.deploy({ ...other, commandId: commandOf(3) });
    expect(bench.script().versions).toHaveLength(2);
  });

  it('stays a site’s that was moved to another orchestrator, which looks after it', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.deployer().release('site-1', true);
    expect(bench.deployer().workers()).toEqual([]);
    await expect(bench.deploy({ siteId: 'site-2' })).rejects.toThrow(/another site/);
    expect(bench.deployer().workers()).toEqual([]);
  });

  it('is another site’s also where another orchestrator has deployed it, and its own site’s anywhere', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.sql.run('DELETE FROM workers');
    await expect(bench.deploy({ siteId: 'site-2' })).rejects.toThrow(/another site/);
    expect(bench.deployer().workers()).toEqual([]);
    await bench.deploy({ commandId: commandOf(3) });
    expect(bench.script().versions).toHaveLength(2);
  });

  it('is whose version came first, when two make the Worker at the same moment', async () => {
    const theirs = new Bench();
    let winner = '';
    const fetcher: typeof fetch = async (input, init) => {
      if (init?.method === 'PUT' && winner === '') {
        const given = body({ siteId: 'site-2', commandId: FIRST });
        const their = theirs.deployer({ fetcher: bench.cloudflare.fetcher });
        winner = (await their.deploy(given, theirs.context())).versionId;
      }
      return bench.cloudflare.fetcher(input, init);
    };
    const late = bench.deployer({ fetcher }).deploy(body(), bench.context());
    await expect(late).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/at the same moment.*nothing of it is left/),
    });
    expect(bench.serving()).toBe(`${winner} 100`);
    expect(bench.versionsOf(COMMAND)).toEqual([]);
    expect(bench.deployer().workers()).toMatchObject([{ name: 'tracker', state: 'failed' }]);
  });

  it('is left to whoever has made the Worker outside, unless it is adopted', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.sql.run('DELETE FROM workers');
    for (const { metadata } of bench.script().versions) metadata.annotations['workers/message'] = 'by hand';
    await expect(bench.deploy()).rejects.toThrow(/made outside of this system/);
    await bench.deploy({ commandId: commandOf(3), adopt: true });
    expect(bench.script().versions).toHaveLength(2);
  });
});
