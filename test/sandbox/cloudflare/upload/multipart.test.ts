import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ApiError } from '../api/envelope.ts';
import { parseMultipart, readBody } from './multipart.ts';

const TYPE = 'multipart/form-data; boundary=XX';
const part = (headers: string, body: string): string => `--XX\r\n${headers}\r\n\r\n${body}\r\n`;
const named = (name: string, body: string): string =>
  part(`Content-Disposition: form-data; name="${name}"`, body);
const parse = (body: string, type = TYPE) => parseMultipart(type, Buffer.from(body));
const codeOf = (body: string, type = TYPE): Promise<unknown> =>
  parse(body, type).catch((error: unknown) => (error instanceof ApiError ? error.code : error));

const WHOLE = `${named('metadata', '{}')}${part(
  'Content-Disposition: form-data; name="src/a.js"; filename="src/a.js"\r\nContent-Type: application/javascript+module',
  'export default 1',
)}--XX--\r\n`;

test('a part keeps its path, its content type and its bytes', async () => {
  const parts = await parse(WHOLE);
  expect(parts.map(({ name, filename, contentType }) => [name, filename, contentType])).toEqual([
    ['metadata', undefined, 'text/plain'],
    ['src/a.js', 'src/a.js', 'application/javascript+module'],
  ]);
  expect(parts[1]?.bytes.toString()).toBe('export default 1');
});

test('a body that is not a form is refused with 10001, one without a boundary with 10026', async () => {
  expect(await codeOf('{}', 'application/json')).toBe(10001);
  expect(await codeOf(WHOLE, 'multipart/form-data')).toBe(10026);
  expect(await codeOf(WHOLE, 'multipart/form-data; boundary=YY')).toBe(10026);
});

test('an empty form, a part without a name and a part without a disposition are refused with 10026', async () => {
  expect(await codeOf('--XX--\r\n')).toBe(10026);
  expect(await codeOf('')).toBe(10026);
  expect(await codeOf(`${part('Content-Disposition: form-data', 'x')}--XX--\r\n`)).toBe(10026);
  expect(await codeOf(`${part('Content-Type: text/plain', 'x')}--XX--\r\n`)).toBe(10026);
});

test('a part that comes twice is refused with 10021', async () => {
  expect(await codeOf(`${named('a', '1')}${named('a', '2')}--XX--\r\n`)).toBe(10021);
});

test('a form cut off before its closing delimiter is always refused, never waited for', async () => {
  const end = WHOLE.indexOf('--XX--') + '--XX--'.length;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: end - 1 }), async (length) => {
      expect(await codeOf(WHOLE.slice(0, length))).toBe(10026);
    }),
  );
});

test('a body of any bytes is parsed or refused, and never throws anything else', async () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'));
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), async (noise, inside) => {
      const body = inside ? `--XX\r\n${noise}--XX--\r\n` : noise;
      const outcome = await codeOf(body);
      expect(Array.isArray(outcome) || outcome === 10026 || outcome === 10021).toBe(true);
    }),
  );
});

test('a body over the limit is read to its end and refused with 10027', async () => {
  let read = 0;
  async function* body() {
    for (; read < 10; read += 1) yield new Uint8Array(10);
  }
  await expect(readBody(body(), 50)).rejects.toMatchObject({ code: 10027 });
  expect(read).toBe(10);
});
