import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SANDBOX } from './answers.fixture.ts';
import { clawctl, folder } from './clawctl.fixture.ts';
import { CliError, type Io } from './io.ts';

describe('whom it asks', () => {
  const commands = { 'GET /api/v1/commands': [() => ({ items: [], next: null })] };
  const asked = async (args: string[], more: Partial<Io>) => {
    const { seen, error } = await clawctl([...args, 'commands'], commands, more);
    if (error !== undefined) throw error;
    return [new URL(seen[0]?.url ?? '').origin, seen[0]?.headers.get('authorization')];
  };

  it('are the options, else the environment, else the nearest sandbox upward', async () => {
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX), 'a/b/c': '' });
    const cwd = join(root, 'a/b');
    expect(await asked(['--url', 'https://other.example', '--token', 't'], { cwd })).toEqual([
      'https://other.example',
      'Bearer t',
    ]);
    expect(await asked([], { cwd })).toEqual(['https://edge.example', 'Bearer token-1']);
    expect(await asked([], { cwd, env: {} })).toEqual(['http://127.0.0.1:8787', 'Bearer sandbox-token']);
  });

  it.each([
    ['nothing is set', {}, [], /no edge to talk to: set CLAWCTL_URL/],
    ['only an address', { CLAWCTL_URL: 'https://edge.example' }, [], /no token for https:\/\/edge.example/],
    ['only a token', {}, ['--token', 't'], /no address/],
    ['an address without TLS', {}, ['--url', 'http://edge.example', '--token', 't'], /not encrypted/],
    ['no address at all', {}, ['--url', 'edge', '--token', 't'], /not the address of an edge/],
  ])('is refused when %s', async (_what, env, args, message) => {
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX) });
    const cwd = Object.keys(env).length + args.length === 0 ? tmpdir() : root;
    await expect(asked(args, { env, cwd })).rejects.toThrow(message);
    await expect(asked(args, { env, cwd })).rejects.toBeInstanceOf(CliError);
  });
});
