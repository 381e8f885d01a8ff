import { describe, expect, it } from 'vitest';
import { withoutSession } from '../auth/cookie.ts';
import { forwardable, givenIn, returnable, traceOf } from './headers.ts';

const kept = (headers: Record<string, string>) =>
  Object.fromEntries(forwardable(givenIn(new Headers(headers))));
const zeros = (bytes: number) => '1'.repeat(bytes * 2);

describe('a customer’s headers', () => {
  it('go on as they are', () => {
    const headers = { accept: '*/*', authorization: 'Basic x', cookie: 'a=1; b=2', 'x-custom': 'a, b' };
    expect(kept(headers)).toEqual(headers);
  });

  it('lose what is hop-by-hop, and what Connection names', () => {
    expect(
      kept({
        connection: 'keep-alive, X-Hop , x-forwarded-for',
        'keep-alive': '1',
        'proxy-authorization': 'x',
        'proxy-connection': 'x',
        te: 'trailers',
        trailer: 'x',
        'transfer-encoding': 'chunked',
        upgrade: 'h2c',
        expect: '100-continue',
        'x-hop': '1',
        'x-kept': '1',
      }),
    ).toEqual({ 'x-kept': '1' });
  });

  it('cannot say what is ours to say', () => {
    expect(
      kept({
        host: 'h',
        forwarded: 'for=1',
        'content-length': '3',
        'x-forwarded-for': '1',
        'x-forwarded-anything': '1',
        'cf-connecting-ip': '1',
        'cf-ray': '1',
        'true-client-ip': '1',
        'x-real-ip': '1',
        'x-request-id': '1',
        'x-actor': 'root',
        'x-orchestrator-claims': '{}',
      }),
    ).toEqual({});
  });

  it.each<[string, string | undefined]>([
    ['orc_session=x', undefined],
    ['__Host-orc_session=x', undefined],
    ['a=1; orc_session=x; b=2', 'a=1; b=2'],
    ['orc_session=x; a="1"', 'a="1"'],
    ['a=1, orc_session=x', 'a=1'],
    ['my_orc_session=x; orc_sessions=y', 'my_orc_session=x; orc_sessions=y'],
  ])('cookies "%s" go on as %j', (cookie, rest) => {
    expect(withoutSession(cookie)).toBe(rest);
  });
});

describe('the trace', () => {
  const valid = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  it('of a customer goes on, with its state', () => {
    const headers = new Headers({ traceparent: valid, tracestate: 'a=b' });
    expect(traceOf(givenIn(headers), zeros)).toEqual([
      ['traceparent', valid],
      ['tracestate', 'a=b'],
    ]);
  });

  it.each([
    '',
    'nonsense',
    valid.toUpperCase(),
    valid.replace(/^00/, 'ff'),
    `${valid}-more`,
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
  ])('"%s" is not one: a new one begins', (traceparent) => {
    expect(traceOf(givenIn(new Headers({ traceparent, tracestate: 'a=b' })), zeros)).toEqual([
      ['traceparent', `00-${'1'.repeat(32)}-${'1'.repeat(16)}-00`],
    ]);
  });

  it('of a later version may be longer', () => {
    const later = `${valid.replace(/^00/, '01')}-more`;
    expect(traceOf(givenIn(new Headers({ traceparent: later })), zeros)).toEqual([['traceparent', later]]);
  });
});

describe('an upstream’s headers', () => {
  it('come back, repeated ones apart', () => {
    const headers = returnable(
      [
        ['Set-Cookie', 'a=1, b'],
        ['Set-Cookie', 'b=2'],
        ['Location', '/x'],
        ['Content-Encoding', 'gzip'],
      ],
      false,
    );
    expect(headers.getSetCookie()).toEqual(['a=1, b', 'b=2']);
    expect([headers.get('location'), headers.get('content-encoding')]).toEqual(['/x', 'gzip']);
  });

  it('lose what is hop-by-hop, what Connection names, and our cookie', () => {
    const headers = returnable(
      [
        ['Connection', 'close, X-Hop'],
        ['Transfer-Encoding', 'chunked'],
        ['X-Hop', '1'],
        ['Content-Length', '9'],
        ['Set-Cookie', 'orc_session=x; Path=/'],
        ['Set-Cookie', ' __Host-orc_session=x'],
        ['X-Kept', '1'],
      ],
      false,
    );
    expect([...headers]).toEqual([['x-kept', '1']]);
  });

  it('keep the length that an answer to HEAD tells of', () => {
    expect(returnable([['content-length', '9']], true).get('content-length')).toBe('9');
  });
});
