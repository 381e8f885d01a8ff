import { Failure, type Verify } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { Signatures } from './signatures.ts';

const verify: Verify = {
  scheme: 'hmac-sha256',
  header: 'X-Hub-Signature-256',
  encoding: 'hex',
  prefix: 'sha256=',
  secretRef: 'GITHUB',
};
const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
const body = new TextEncoder().encode('Hello, World!');

const asked: string[] = [];
const signatures = new Signatures({
  now: () => 0,
  secret: async (siteId, name) => {
    asked.push(`${siteId}/${name}`);
    if (siteId !== 'shop') throw new Failure('secret_missing', 'the secret "GITHUB" is not set');
    return { value: "It's a Secret to Everybody" };
  },
});
const codeOf = (check: Promise<void>) => check.then(String, (failure: Failure) => failure.code);

describe('the guard of signed routes', () => {
  it('lets in what was signed with the site’s secret, and nothing else', async () => {
    const signed = signatures.check(
      'shop',
      { verify },
      { headers: [['x-hub-signature-256', signature]], body },
    );
    expect(await codeOf(signed)).toBe('undefined');
    expect(asked).toEqual(['shop/GITHUB']);
    const unsigned = signatures.check('shop', { verify }, { headers: [], body });
    expect(await codeOf(unsigned)).toBe('signature_invalid');
  });

  it('says that the secret is missing, not that the signature is wrong', async () => {
    const check = signatures.check(
      'other',
      { verify },
      { headers: [['x-hub-signature-256', signature]], body },
    );
    expect(await codeOf(check)).toBe('secret_missing');
  });

  it('asks for no secret where no signature is asked for', async () => {
    asked.length = 0;
    await signatures.check('shop', { verify: undefined }, { headers: [], body: null });
    expect(asked).toEqual([]);
  });
});
