import { expect, test } from 'vitest';
import { ReplyReader } from './reply.ts';

const WITH_LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n';

test.each([
  ['a body of known length', WITH_LENGTH, 200],
  ['a chunked body', CHUNKED, 502],
])('%s is read, however the network cuts it', (_, text, status) => {
  for (let cut = 1; cut < text.length; cut++) {
    const reader = new ReplyReader();
    expect(reader.push(Buffer.from(text.slice(0, cut)))).toBeUndefined();
    expect(reader.push(Buffer.from(text.slice(cut)))).toEqual({ status, body: 'hello' });
  }
});

test('the next reply on the connection starts afresh', () => {
  const reader = new ReplyReader();
  reader.push(Buffer.from(WITH_LENGTH));
  expect(reader.push(Buffer.from(CHUNKED))).toEqual({ status: 502, body: 'hello' });
});

test('bytes that nobody asked for are an error', () => {
  expect(() => new ReplyReader().push(Buffer.from(`${WITH_LENGTH}!`))).toThrow('more bytes');
  expect(() => new ReplyReader().push(Buffer.from('SSH-2.0\r\n\r\n'))).toThrow('not a response');
});
