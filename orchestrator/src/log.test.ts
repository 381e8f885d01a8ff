import { generateKeyPairSync } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { identityOf, signLocalToken } from './identity.ts';
import { createLogger, type Logger } from './log.ts';

const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const jwt = signLocalToken(identityOf(pem), { orchestratorId: 'vps-1', now: 0, jti: 'jti-12345678' });
const API_TOKEN = 'cf"token/1234567890';

function logged(production: boolean, write: (log: Logger) => void): string {
  const out = new PassThrough();
  write(createLogger({ level: 'debug', production, secrets: [API_TOKEN], out }));
  return String(out.read());
}

const PLACES: readonly [where: string, write: (log: Logger) => void][] = [
  ['the message', (log) => log.info(`dialling with ${jwt} and ${API_TOKEN} and ${pem}`)],
  ['a field', (log) => log.info('x', { note: jwt, other: API_TOKEN, key: pem })],
  [
    'headers',
    (log) => log.info('x', { headers: { Authorization: `Bearer ${API_TOKEN}`, cookie: 'session=abcdef' } }),
  ],
  [
    'a list of headers',
    (log) =>
      log.info('x', {
        headers: [
          ['authorization', 'Bearer abcdef-123456'],
          ['cookie', 'abcdef'],
        ],
      }),
  ],
  ['an error', (log) => log.error('x', { error: new Error(`bad ${jwt}`, { cause: new Error(API_TOKEN) }) })],
  ['a child', (log) => log.child({ apiToken: 'abcdef', note: API_TOKEN }).warn('x')],
  ['a field named as a secret', (log) => log.info('x', { deep: { cfAccessClientSecret: 'abcdef' } })],
];

describe.each([
  ['JSON lines', true],
  ['terminal lines', false],
])('%s', (_, production) => {
  it.each(PLACES)('let no token out by way of %s', (_where, write) => {
    const text = logged(production, write);
    const body = pem.split('\n')[1] ?? '';
    for (const secret of [jwt, jwt.split('.')[2] ?? '', API_TOKEN, 'cf\\"token', body, 'abcdef']) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('[redacted]');
  });
});

describe('the logger', () => {
  it('writes one JSON object a line in production, with the request id of its child', () => {
    const text = logged(true, (log) =>
      log.child({ requestId: 'r-1' }).info('relayed\nFAKE', { status: 200 }),
    );
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(text)).toMatchObject({
      level: 'info',
      message: 'relayed\nFAKE',
      requestId: 'r-1',
      status: 200,
    });
  });

  it('keeps what is not secret, errors with their code and cause', () => {
    const error = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(JSON.parse(logged(true, (log) => log.warn('x', { error, requestId: 'r-2' })))).toMatchObject({
      error: { message: 'refused', code: 'ECONNREFUSED' },
      requestId: 'r-2',
    });
  });

  it('leaves out what is below its level', () => {
    const out = new PassThrough();
    createLogger({ level: 'warn', production: true, out }).info('quiet');
    expect(out.read()).toBeNull();
  });
});
