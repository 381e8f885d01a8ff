/**
 * Whose request a Worker passes on, said so that it can be believed. Cloudflare gives what one Worker asks of another zone
 * the address of all Workers, so that a visitor's own has to be told, and anybody could tell one: it is signed with a
 * secret that the site's Workers and the relay have in common. The relay counts its limit per customer by it.
 * https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip-in-worker-subrequests
 */
export const VISITOR_HEADER = 'x-orchestrator-visitor';

/** As the relay bears it. */
const TOLERANCE_S = 300;
const SAID = /^t=(\d{1,12}),ip=([0-9a-f.:]{2,45}),v1=([0-9a-f]{64})$/i;

const encoder = new TextEncoder();

const keyOf = (secret: string, use: 'sign' | 'verify'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [use]);

/** `t=<Unix seconds>,ip=<address>,v1=<HMAC-SHA256 of "<t>.<address>">`. */
async function signed(address: string, secret: string, nowMs: number): Promise<string> {
  const t = Math.floor(nowMs / 1_000);
  const mac = await crypto.subtle.sign(
    'HMAC',
    await keyOf(secret, 'sign'),
    encoder.encode(`${t}.${address}`),
  );
  const hex = [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `t=${t},ip=${address},v1=${hex}`;
}

/** What another of the site's Workers says, if it is that one's signature; undefined of anybody else's word. */
async function believed(said: string, secret: string, nowMs: number): Promise<string | undefined> {
  const [, t = '', address = '', hex = ''] = SAID.exec(said) ?? [];
  if (hex === '' || Math.abs(nowMs / 1_000 - Number(t)) > TOLERANCE_S) return undefined;
  const mac = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const text = encoder.encode(`${t}.${address}`);
  const isSigned = await crypto.subtle.verify('HMAC', await keyOf(secret, 'verify'), mac, text);
  return isSigned ? address : undefined;
}

/**
 * The header for what is asked on behalf of this request: who another of the site's Workers says that it is, else who
 * has sent it. None without a secret.
 */
export async function visitorOf(
  { headers }: Request,
  secret: string | undefined,
  nowMs: number,
): Promise<Record<string, string>> {
  if (secret === undefined) return {};
  const said = headers.get(VISITOR_HEADER);
  const address =
    (said === null ? undefined : await believed(said, secret, nowMs)) ?? headers.get('cf-connecting-ip');
  return address === null ? {} : { [VISITOR_HEADER]: await signed(address, secret, nowMs) };
}
