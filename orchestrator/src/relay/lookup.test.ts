import { describe, expect, it } from 'vitest';
import { parseAllow } from './allow.ts';
import { call, relayTo, text, upstream } from './relay.fixture.ts';

describe('an upstream that is a name', () => {
  /** An upstream on this machine, which `shop.example` leads to as long as its owner says so. */
  async function named(list: string) {
    const { port } = new URL(await upstream((_request, response) => response.end('inside')));
    const leadsTo = { addresses: ['127.0.0.1'] };
    const relay = relayTo([{ upstream: `http://shop.example:${port}` }], {
      allow: parseAllow(list),
      resolve: (_name, done) =>
        done(
          null,
          leadsTo.addresses.map((address) => ({ address, family: 4 })),
        ),
    });
    return { relay, leadsTo };
  }

  it('is not called where its name may not lead, and the failure says what to write', async () => {
    const { relay } = await named('shop.example:*');
    await expect(relay.handle(call())).rejects.toMatchObject({
      code: 'upstream_failed',
      message: expect.stringMatching(/leads to 127\.0\.0\.1, .*shop\.example:<port>=127\.0\.0\.1/),
      details: { execution: 'not_started' },
    });
  });

  it('is called where the operator says that it is, at those of its addresses alone', async () => {
    const { relay, leadsTo } = await named('shop.example:*=127.0.0.1');
    leadsTo.addresses = ['169.254.169.254', '127.0.0.1'];
    expect(await text((await relay.handle(call())).body)).toBe('inside');
  });
});
