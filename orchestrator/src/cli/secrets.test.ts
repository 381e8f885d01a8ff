import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clawctl, folder, problem } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const PUT = 'PUT /api/v1/sites/site-1/secrets/SHOP_KEY';
const edge = { [PUT]: [() => new Response(null, { status: 201 })] };
const set = ['secrets', 'set', 'site-1', 'SHOP_KEY'];
const readStdin = async () => 'piped\n';

describe('secrets set', () => {
  it('takes the value from standard input, without the line break at its end', async () => {
    const { out, err, seen } = await clawctl(set, edge, { readStdin });
    expect(seen.map(({ body }) => body)).toEqual([{ value: 'piped' }]);
    expect([out, err]).toEqual(['SHOP_KEY is set', '']);
  });

  it('takes it from a file, lines within it as they are', async () => {
    const file = join(folder({ 'key.pem': '-----BEGIN-----\nZoë\n-----END-----\r\n' }), 'key.pem');
    const { seen } = await clawctl([...set, '--file', file], edge, { readStdin });
    expect(seen[0]?.body).toEqual({ value: '-----BEGIN-----\nZoë\n-----END-----' });
  });

  it('asks for it at a terminal', async () => {
    const asked: string[] = [];
    const askHidden = async (question: string) => {
      asked.push(question);
      return 'typed';
    };
    const { seen, out } = await clawctl(['--json', ...set], edge, { readStdin, askHidden });
    expect([asked, seen[0]?.body]).toEqual([['SHOP_KEY: '], { value: 'typed' }]);
    expect(JSON.parse(out)).toEqual({ siteId: 'site-1', name: 'SHOP_KEY', state: 'set' });
  });

  it('takes no value from the command line', async () => {
    const { err, seen } = await clawctl([...set, 'value'], edge, { readStdin });
    expect(err).toMatch(/too many arguments/);
    expect(seen).toEqual([]);
  });

  it.each([
    [[...set, '--file', '/nowhere/key'], 'piped', /^\/nowhere\/key cannot be read/],
    [set, '\n', /^value: /],
    [set, 'x'.repeat(65_537), /^value: expected at most 65536 bytes of UTF-8$/],
    [['secrets', 'set', 'site-1', 'a/b'], 'piped', /^name: expected a secret’s name/],
  ])('with %o and a bad name or value asks nothing of the edge', async (args, value, message) => {
    const { error, seen } = await clawctl(args, edge, { readStdin: async () => value });
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).message).toMatch(message);
    expect(seen).toEqual([]);
  });

  it('of bytes that are no text says what to do', async () => {
    const file = join(folder({ key: Uint8Array.of(0xff, 0xfe) }), 'key');
    const { error } = await clawctl([...set, '--file', file], edge);
    expect(error).toEqual(new CliError(`${file} is no UTF-8 text: encode it first, for example as base64`));
  });

  it('ends with the edge’s sentence when it is refused', async () => {
    const refusing = { [PUT]: [problem(403, 'forbidden', 'only admins may do this')] };
    const { error } = await clawctl(set, refusing, { readStdin });
    expect(error).toEqual(new CliError('only admins may do this'));
  });
});

describe('secrets', () => {
  const one = {
    name: 'SHOP_KEY',
    version: 3,
    updatedAt: Date.parse('2026-11-01T10:00:00Z'),
    updatedBy: 'op',
  };

  it('are listed by name, without values', async () => {
    const listing = { 'GET /api/v1/sites/site-1/secrets': [() => ({ items: [one], next: null })] };
    const { out } = await clawctl(['secrets', 'list', 'site-1'], listing);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^NAME +VERSION +SET +BY$/),
      'SHOP_KEY  3        2026-11-01 10:00:00  op',
    ]);
    expect(JSON.parse((await clawctl(['--json', 'secrets', 'list', 'site-1'], listing)).out)).toEqual([one]);
  });

  it('are deleted', async () => {
    const path = 'DELETE /api/v1/sites/site-1/secrets/SHOP_KEY';
    const deleting = { [path]: [() => new Response(null, { status: 204 })] };
    expect((await clawctl(['secrets', 'delete', 'site-1', 'SHOP_KEY'], deleting)).out).toBe(
      'SHOP_KEY is deleted',
    );
  });
});
