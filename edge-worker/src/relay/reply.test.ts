import { type ErrorCode, Failure } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { failureResponse, replyResponse } from './reply.ts';

const answered = async (code: ErrorCode, message: string, retryAfterMs?: number) => {
  const details = retryAfterMs === undefined ? {} : { retryAfterMs };
  const response = failureResponse(new Failure(code, message, details), 'r1');
  return { response, text: await response.text() };
};

it('a missing secret is the operator’s to mend: the customer gets a 503 that names nothing', async () => {
  const { response, text } = await answered('secret_missing', 'clawctl secrets set shop KEY');
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
  expect(text).not.toMatch(/clawctl|KEY/);
});

it('a bad signature is 401, and says what is asked for', async () => {
  const { response, text } = await answered('signature_invalid', 'is not with the secret "KEY"');
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Signature']);
  expect(text).not.toContain('KEY');
});

it('too many requests are 429, with the time that the window has left', async () => {
  const { response } = await answered('rate_limited', 'the quota is used up', 12_300);
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '13']);
});

it.each([
  ['none where the upstream has said none', [], null],
  ['the upstream’s', [['content-type', 'text/css']], 'text/css'],
] as const)('a text has a type of its own: %s', async (_, headers, type) => {
  const reply = {
    status: 200,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    body: 'ü',
  };
  const response = replyResponse(reply, 'GET', 'r1');
  expect([response.headers.get('content-type'), await response.text()]).toEqual([type, 'ü']);
});
