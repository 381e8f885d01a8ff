import { describe, expect, it } from 'vitest';
import { createCipher } from './cipher.ts';

const keyOf = (fill: number) => btoa(String.fromCharCode(...new Uint8Array(32).fill(fill)));
const cipher = createCipher(keyOf(1));
const plain = new TextEncoder().encode('email=jane@example.com');

describe('the cipher', () => {
  it('opens what it has sealed, in its context alone', async () => {
    const sealed = await cipher.seal(plain, 'receipt rcpt_1');
    expect(await cipher.open(sealed, 'receipt rcpt_1')).toEqual(plain);
    await expect(cipher.open(sealed, 'receipt rcpt_2')).rejects.toThrow();
    await expect(createCipher(keyOf(2)).open(sealed, 'receipt rcpt_1')).rejects.toThrow();
  });

  it('seals the same differently each time, and shows nothing of it', async () => {
    const [first, second] = [await cipher.seal(plain, 'x'), await cipher.seal(plain, 'x')];
    expect(first).not.toEqual(second);
    expect(new TextDecoder('latin1').decode(first)).not.toContain('jane');
    expect(await cipher.open(await cipher.seal(new Uint8Array(0), 'x'), 'x')).toEqual(new Uint8Array(0));
  });

  it('does not open what was changed, in whatever byte', async () => {
    const sealed = await cipher.seal(plain, 'x');
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(cipher.open(changed, 'x'), `byte ${at}`).rejects.toThrow();
    }
  });

  it.each(['', 'short', `${keyOf(1).slice(0, -2)}!=`, btoa('x'.repeat(33))])(
    'says what a key is when it is given %j',
    async (key) => {
      const message = /SECRETS_KEY: expected 32 bytes in base64: openssl/;
      await expect(createCipher(key).seal(plain, 'x')).rejects.toThrow(message);
    },
  );
});
