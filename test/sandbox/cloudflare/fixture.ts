/** What the tests of this folder share: an account, uploads, and processes that never outlive a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { type StartOptions, startCloudflare } from './start.ts';

export const ACCOUNT = '0123456789abcdef0123456789abcdef';
export const TOKEN = 'a-token.for_tests';
export const MODULE = 'application/javascript+module';

export async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cloudflare-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A stand-in of the test's own, closed when the test is over. */
export async function ownCloudflare(options: Partial<StartOptions> = {}) {
  const dataDir = options.dataDir ?? (await temporaryDir());
  const cloudflare = await startCloudflare({ accountId: ACCOUNT, apiToken: TOKEN, ...options, dataDir });
  onTestFinished(() => cloudflare.close());
  return cloudflare;
}

/** Spawns a process and kills it, if it still lives, when the test is over. */
export function ownProcess(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => killed(child));
  return child;
}

export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

export interface UploadedModule {
  name: string;
  content: string | Uint8Array<ArrayBuffer>;
  type?: string;
  filename?: string;
}

/** An upload as wrangler and our orchestrator send it: `metadata`, then one part per module. */
export function uploadForm(modules: UploadedModule[], metadata: object = {}): FormData {
  const form = new FormData();
  const main = { main_module: modules[0]?.name, compatibility_date: '2026-01-01', ...metadata };
  form.set('metadata', new Blob([JSON.stringify(main)], { type: 'application/json' }));
  for (const { name, content, type = MODULE, filename = name } of modules) {
    form.set(name, new File([content], filename, { type }));
  }
  return form;
}

/** A Worker that answers what this expression yields of `request`, `env` and `ctx`. */
export const answering = (expression: string): UploadedModule => ({
  name: 'index.js',
  content: `export default { async fetch(request, env, ctx) { return new Response(${expression}); } };`,
});

const Envelope = z.object({
  success: z.boolean(),
  result: z.unknown(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })),
  messages: z.array(z.unknown()),
});

export interface Answer extends z.infer<typeof Envelope> {
  status: number;
  headers: Headers;
}

/** Calls below `/accounts/<account>/workers`, or what else is named of the account's. */
export function apiOf(url: string, below = 'workers') {
  return async (method: string, path: string, body?: FormData | object): Promise<Answer> => {
    const json = body !== undefined && !(body instanceof FormData);
    const response = await fetch(`${url}/accounts/${ACCOUNT}/${below}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, ...(json && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: json ? JSON.stringify(body) : body }),
    });
    return { ...Envelope.parse(await response.json()), status: response.status, headers: response.headers };
  };
}

/** Uploads a Worker, puts it on the subdomain, and answers its url. */
export async function deployed(url: string, name: string, form: FormData): Promise<string> {
  const api = apiOf(url);
  const put = await api('PUT', `/scripts/${name}`, form);
  if (!put.success) throw new Error(JSON.stringify(put.errors));
  const subdomain = await api('POST', `/scripts/${name}/subdomain`, { enabled: true });
  return z.object({ url: z.string() }).parse(subdomain.result).url;
}

/** The text that a Worker answers. */
export const textAt = async (url: string, init?: RequestInit): Promise<string> =>
  (await fetch(url, init)).text();
