import { Failure, type HeaderList, siteConfig, type Verify } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { hexOf } from '../bytes.ts';
import { verifySignature } from './verify.ts';

const encoder = new TextEncoder();

/** As a site's config would have it, defaults filled in. */
function verifyOf(verify: object): Verify {
  const config = { routes: [{ path: '/', upstream: 'http://127.0.0.1:9', verify }] };
  const [route] = siteConfig.parse(config).routes;
  if (route?.verify === undefined) throw new Error('the route has no verify');
  return route.verify;
}

/** `good`, or why it was refused. */
function outcome(verify: Verify, headers: HeaderList, body: string, secret: string, nowS = 0): string {
  try {
    verifySignature(verify, { headers, body: encoder.encode(body) }, secret, nowS * 1_000);
    return 'good';
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.code === 'signature_invalid') return thrown.message;
    throw thrown;
  }
}

/** By the platform's own HMAC, as a sender would. */
async function hmacHex(secret: string, text: string): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['sign']);
  return hexOf(new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text))));
}

const shopify = verifyOf({
  scheme: 'hmac-sha256',
  header: 'X-Shopify-Hmac-Sha256',
  encoding: 'base64',
  secretRef: 'SHOPIFY',
});
const github = verifyOf({
  scheme: 'hmac-sha256',
  header: 'X-Hub-Signature-256',
  encoding: 'hex',
  prefix: 'sha256=',
  secretRef: 'GITHUB',
});
const slack = verifyOf({
  scheme: 'hmac-sha256-timestamped',
  header: 'X-Slack-Signature',
  encoding: 'hex',
  prefix: 'v0=',
  secretRef: 'SLACK',
  timestamp: { header: 'X-Slack-Request-Timestamp', signed: 'v0:{timestamp}:{body}' },
});
const stripe = verifyOf({
  scheme: 'hmac-sha256-timestamped',
  header: 'Stripe-Signature',
  encoding: 'hex',
  prefix: 'v1=',
  secretRef: 'STRIPE',
  timestamp: { prefix: 't=' },
});

describe('Shopify’s signature', () => {
  // The test of SQLPage's hmac() for Shopify's webhooks has these: secret, body and digest.
  const body = '{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}';
  const right = 'QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=';
  const given = (value: string): HeaderList => [['x-shopify-hmac-sha256', value]];

  it('of the body is good, in base64', () => {
    expect(outcome(shopify, given(right), body, 'test-webhook-secret')).toBe('good');
  });

  it.each([
    ['another body', right, `${body} `, 'test-webhook-secret'],
    ['another secret', right, body, 'test-webhook-secreT'],
    ['another digest', right.replace('Q', 'R'), body, 'test-webhook-secret'],
    ['the digest cut short', right.slice(0, 40), body, 'test-webhook-secret'],
    ['something that is no base64', 'ÿÿÿ', body, 'test-webhook-secret'],
  ])('with %s is refused', (_case, value, sent, secret) => {
    expect(outcome(shopify, given(value), sent, secret)).toMatch(
      /^the signature in X-Shopify-Hmac-Sha256 is not/,
    );
  });

  it.each<[string, HeaderList]>([
    ['missing', [['x-other', right]]],
    ['empty', given(' , ')],
  ])('that is %s is refused', (_case, headers) => {
    expect(outcome(shopify, headers, body, 'test-webhook-secret')).toBe(
      'there is no signature in X-Shopify-Hmac-Sha256',
    );
  });
});

describe('GitHub’s signature', () => {
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation"
  const secret = "It's a Secret to Everybody";
  const right = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const given = (value: string): HeaderList => [['x-hub-signature-256', value]];

  it.each([`sha256=${right}`, `sha256=${right.toUpperCase()}`])('%s of the body is good', (value) => {
    expect(outcome(github, given(value), 'Hello, World!', secret)).toBe('good');
  });

  it('without its prefix, or with another one, is none', () => {
    expect(outcome(github, given(right), 'Hello, World!', secret)).toMatch(/no signature/);
    expect(outcome(github, given(`sha1=${right}`), 'Hello, World!', secret)).toMatch(/no signature/);
  });

  it('is good among others, as when a secret is being changed, in one header or in two', () => {
    const other = `sha256=${'0'.repeat(64)}`;
    const joined = given(`${other}, sha256=${right}`);
    const apart: HeaderList = [...given(other), ...given(`sha256=${right}`)];
    for (const headers of [joined, apart])
      expect(outcome(github, headers, 'Hello, World!', secret)).toBe('good');
    const many = given(`${`${other},`.repeat(20)}sha256=${right}`);
    expect(outcome(github, many, 'Hello, World!', secret)).toMatch(/is not of this body/);
  });

  it('of no body is that of nothing', async () => {
    const headers = given(`sha256=${await hmacHex(secret, '')}`);
    expect(() => verifySignature(github, { headers, body: null }, secret, 0)).not.toThrow();
  });
});

describe('Slack’s signature', () => {
  // https://api.slack.com/authentication/verifying-requests-from-slack, its worked example
  const secret = '8f742231b10e8888abcd99yyyzzz85a5';
  const at = 1_531_420_618;
  const right = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
  const given = (time: string): HeaderList => [
    ['x-slack-request-timestamp', time],
    ['x-slack-signature', right],
  ];

  it.each([
    [0, 'good'],
    [300, 'good'],
    [-300, 'good'],
    [301, 'it was signed 301 s from now, and 300 s are allowed'],
    [-301, 'it was signed 301 s from now, and 300 s are allowed'],
  ])('is seen %i s after it was made: %s', (laterS, expected) => {
    expect(outcome(slack, given(String(at)), body, secret, at + laterS)).toBe(expected);
  });

  it('does not go with another time', () => {
    expect(outcome(slack, given(String(at + 1)), body, secret, at)).toMatch(/is not of this body/);
  });

  it.each(['', 'yesterday', '1e9', '-1', '1531420618.5'])('with the time "%s" is refused', (time) => {
    expect(outcome(slack, given(time), body, secret, at)).toBe(
      'X-Slack-Request-Timestamp holds no time in seconds',
    );
  });
});

describe('Stripe’s signature', () => {
  const body = '{"id":"evt_1","object":"event"}';
  const at = 1_760_000_000;
  const sign = (secret: string) => hmacHex(secret, `${at}.${body}`);
  const given = (value: string): HeaderList => [['stripe-signature', value]];

  it('has its time in the same header, and signatures of schemes that are not asked for', async () => {
    const v1 = await sign('whsec_new');
    const header = `t=${at},v1=${await sign('whsec_old')},v1=${v1},v0=${'0'.repeat(64)}`;
    expect(outcome(stripe, given(header), body, 'whsec_new', at)).toBe('good');
    expect(outcome(stripe, given(`t=${at},v0=${v1}`), body, 'whsec_new', at)).toMatch(/no signature/);
    expect(outcome(stripe, given(`t=${at + 9},v1=${v1}`), body, 'whsec_new', at)).toMatch(
      /is not of this body/,
    );
    expect(outcome(stripe, given(`v1=${v1}`), body, 'whsec_new', at)).toMatch(/no time in seconds/);
    expect(outcome(stripe, given(header), body, 'whsec_new', at + 301)).toMatch(/301 s from now/);
  });
});

describe('a route’s verify', () => {
  const base = { scheme: 'hmac-sha256', header: 'X-S', encoding: 'hex', secretRef: 'S' };
  const timed = { ...base, scheme: 'hmac-sha256-timestamped' };

  it.each<[object, RegExp]>([
    [{ ...base, secretRef: 'a b' }, /secret’s name/],
    [{ ...base, header: 'X S' }, /name of a header/],
    [{ ...base, prefix: 'a,b' }, /no comma/],
    [{ ...base, timestamp: { header: 'T' } }, /timestamp/],
    [{ ...timed }, /timestamp/],
    [{ ...timed, timestamp: {} }, /either a header or a prefix/],
    [{ ...timed, timestamp: { header: 'T', prefix: 't=' } }, /either a header or a prefix/],
    [{ ...timed, timestamp: { header: 'T', signed: '{body}' } }, /with \{timestamp\}/],
    [{ ...timed, timestamp: { header: 'T', toleranceS: 3_601 } }, /3600/],
  ])('%j is refused', (verify, message) => {
    expect(() => verifyOf(verify)).toThrow(message);
  });
});
