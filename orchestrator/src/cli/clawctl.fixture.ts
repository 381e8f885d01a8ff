import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { digestOf, EMPTY_CONFIG, type Problem, type SiteConfigState } from '@clawdbot/protocol';
import { onTestFinished } from 'vitest';
import type { Io } from './io.ts';
import { createProgram } from './program.ts';

const ENV = { CLAWCTL_URL: 'https://edge.example', CLAWCTL_TOKEN: 'token-1' };

interface Seen {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: unknown;
}
export type Answer = (seen: Seen) => unknown;

/** Runs a command line against an edge that answers from this table, `METHOD path` by answers in their order. */
export async function clawctl(args: string[], edge: Record<string, Answer[]> = {}, more: Partial<Io> = {}) {
  const [out, err, seen]: [string[], string[], Seen[]] = [[], [], []];
  const io: Io = {
    env: ENV,
    cwd: '/',
    fetcher: async (input, init) => {
      const request = new Request(input, init);
      const { pathname } = new URL(request.url);
      const text = await request.text();
      const call = {
        url: request.url,
        method: request.method,
        headers: request.headers,
        body: text && JSON.parse(text),
      };
      seen.push(call);
      const answers = edge[`${request.method} ${pathname}`] ?? [];
      const answer = (answers.length > 1 ? answers.shift() : answers[0])?.(call);
      return answer instanceof Response
        ? answer
        : Response.json(answer ?? {}, { status: answer === undefined ? 404 : 200 });
    },
    wait: async () => undefined,
    now: () => 5_000,
    newId: () => 'id-1',
    readStdin: async () => '',
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    ...more,
  };
  const error = await createProgram(io)
    .exitOverride()
    .parseAsync(args, { from: 'user' })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  return { out: out.join('\n'), err: err.join('\n'), seen, error };
}

/** A folder with these files, for as long as the test runs. */
export function folder(files: Record<string, string | Uint8Array>): string {
  const root = mkdtempSync(join(tmpdir(), 'My Shop.'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** A clock that waiting moves. */
export function passing(): Pick<Io, 'now' | 'wait'> {
  let now = 5_000;
  return {
    now: () => now,
    wait: async (ms) => {
      now += ms;
    },
  };
}

export const problem = (status: number, code: Problem['code'], detail: string) => (): Response =>
  Response.json({ type: 'about:blank', title: code, status, code, detail, retryable: false }, { status });

/** A site's config as the edge shows it: desired, and taken by all. */
export const configState = (more: Partial<SiteConfigState> = {}): SiteConfigState => ({
  siteId: 'site-1',
  generation: 7,
  digest: digestOf(EMPTY_CONFIG),
  config: EMPTY_CONFIG,
  applied: { relay: { state: 'applied', generation: 7 }, edge: { state: 'applied', generation: 7 } },
  warnings: [],
  ...more,
});
