import { describe, expect, it } from 'vitest';
import { bench, commandOf, FIRST, ownBench } from './bench.fixture.ts';

ownBench();

describe('in a dispatch namespace', () => {
  const dispatchNamespace = 'customers';

  it('a Worker is put there at once, accepted and no more, under a name of its own', async () => {
    await bench.deploy({ commandId: FIRST });
    const result = await bench.deploy({ dispatchNamespace });
    expect(result).toMatchObject({ url: '', proof: 'accepted', receipts: { accepted: {} } });
    expect(bench.cloudflare.namespaces.get('customers/tracker')?.metadata.tags).toEqual(['clawdbot-site-1']);
    expect(bench.script().versions).toHaveLength(1);
    expect(
      bench
        .deployer()
        .workers()
        .map(({ name }) => name),
    ).toEqual(['customers/tracker', 'tracker']);
  });

  it('another site’s Worker is not overwritten', async () => {
    await bench.deploy({ dispatchNamespace });
    bench.sql.run('DELETE FROM workers');
    const failing = bench.deploy({ dispatchNamespace, siteId: 'site-2', commandId: commandOf(2) });
    await expect(failing).rejects.toMatchObject({ code: 'conflict' });
  });
});
