import { randomBytes } from './bytes.ts';

/**
 * Encrypts what must not be read from a database or a backup of it: customers' requests and secrets. AES-256-GCM
 * (NIST SP 800-38D); the key is the Worker's own secret, outside every database.
 */
export interface Cipher {
  /** @param context what this is and whose: the same must be given to open it, so that a row cannot be moved */
  seal(plain: Uint8Array, context: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Throws when the key or the context is another one, or the bytes were changed. */
  open(sealed: Uint8Array, context: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** First byte of what is sealed, so that a later way can be told from this one. */
const VERSION = 1;
const KEY_BYTES = 32;
/** §8.2.2: 96 random bits are safe for 2^32 messages under one key. */
const IV_BYTES = 12;
const HEADER_BYTES = 1 + IV_BYTES;

const encoder = new TextEncoder();

/**
 * @param key 32 bytes in base64: `openssl rand -base64 32`. With anything else nothing is sealed or opened, each with a
 * `TypeError` that says so: an object whose key is wrong still does everything else.
 */
export function createCipher(key: string | undefined): Cipher {
  let imported: Promise<CryptoKey> | undefined;
  const cryptoKey = async () => {
    imported ??= crypto.subtle.importKey('raw', keyBytes(key), 'AES-GCM', false, ['encrypt', 'decrypt']);
    return imported;
  };
  return {
    async seal(plain, context) {
      const iv = Uint8Array.from(randomBytes(IV_BYTES));
      const sealed = await crypto.subtle.encrypt(
        paramsOf(iv, context),
        await cryptoKey(),
        Uint8Array.from(plain),
      );
      const whole = new Uint8Array(HEADER_BYTES + sealed.byteLength);
      whole[0] = VERSION;
      whole.set(iv, 1);
      whole.set(new Uint8Array(sealed), HEADER_BYTES);
      return whole;
    },
    async open(sealed, context) {
      if (sealed[0] !== VERSION) throw new TypeError(`sealed in a way (${sealed[0]}) that is not known here`);
      const iv = sealed.slice(1, HEADER_BYTES);
      const plain = await crypto.subtle.decrypt(
        paramsOf(iv, context),
        await cryptoKey(),
        sealed.slice(HEADER_BYTES),
      );
      return new Uint8Array(plain);
    },
  };
}

const paramsOf = (iv: Uint8Array<ArrayBuffer>, context: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: encoder.encode(context),
});

function keyBytes(key = ''): Uint8Array<ArrayBuffer> {
  const text = /^[A-Za-z0-9+/]{43}=$/.test(key) ? atob(key) : '';
  if (text.length !== KEY_BYTES) {
    throw new TypeError('SECRETS_KEY: expected 32 bytes in base64: openssl rand -base64 32');
  }
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
