import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../../eventually.ts';
import {
  ACCOUNT,
  answering,
  apiOf,
  deployed,
  killed,
  ownProcess,
  TOKEN,
  temporaryDir,
  textAt,
  uploadForm,
} from './fixture.ts';
import { runnerConfig } from './runner/config.ts';
import { SCRIPT_HEADER, TOKEN_HEADER, VERSION_HEADER } from './runner/wire.ts';
import { freePort } from './start.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

/** The two processes as a supervisor runs them, on ports that stay. */
async function supervised() {
  const dir = await temporaryDir();
  const [port, runnerPort] = [await freePort(), await freePort()];
  const token = randomBytes(16).toString('hex');
  const origin = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    PORT: String(port),
    DATA_DIR: join(dir, 'data'),
    ACCOUNT_ID: ACCOUNT,
    API_TOKEN: TOKEN,
    RUNNER_PORT: String(runnerPort),
    RUNNER_TOKEN: token,
  };
  const { command, args } = runnerConfig({
    dir: join(dir, 'runner'),
    port: runnerPort,
    apiInternalUrl: origin,
    token,
  });
  const answers = (url: string) =>
    eventually(
      'the Worker answers',
      () => fetch(url),
      () => true,
    );
  return {
    port,
    runnerUrl: `http://127.0.0.1:${runnerPort}/`,
    runnerHeaders: (script: string, version: string) => ({
      [TOKEN_HEADER]: token,
      [SCRIPT_HEADER]: script,
      [VERSION_HEADER]: version,
    }),
    url: `${origin}/client/v4`,
    startMain: async () => {
      const main = ownProcess(process.execPath, [MAIN], env);
      await answers(`${origin}/_health`);
      return main;
    },
    startRunner: async () => {
      const runner = ownProcess(command, args);
      await answers(`http://127.0.0.1:${runnerPort}/`);
      return runner;
    },
  };
}

test('a missing or bad environment variable ends main.ts with 2 and one line that names it', async () => {
  const env = { PATH: process.env['PATH'], PORT: '0', DATA_DIR: '/nowhere', ACCOUNT_ID: 'short' };
  const main = ownProcess(process.execPath, [MAIN], env);
  const { stderr } = main;
  const [said, [code]] = await Promise.all([stderr ? text(stderr) : '', once(main, 'exit')]);
  expect(code).toBe(2);
  expect(said).toMatch(/^ACCOUNT_ID: [^\n]+\n$/);
});

test('main.ts killed and started again has the same Workers, on the same ports, with their secrets', async () => {
  const sandbox = await supervised();
  const [main] = await Promise.all([sandbox.startMain(), sandbox.startRunner()]);
  const at = await deployed(sandbox.url, 'kept', uploadForm([answering('env.S')]));
  await apiOf(sandbox.url)('PUT', '/scripts/kept/secrets', { name: 'S', text: 'still', type: 'secret_text' });
  await killed(main);
  await expect(fetch(at)).rejects.toThrow();
  await sandbox.startMain();
  expect(await textAt(at)).toBe('still');
}, 20_000);

test('while the runner is down a Worker answers 503 with retry-after, an upload 503; both work again after', async () => {
  const sandbox = await supervised();
  const [, runner] = await Promise.all([sandbox.startMain(), sandbox.startRunner()]);
  const at = await deployed(sandbox.url, 'back', uploadForm([answering('"up"')]));
  await killed(runner);
  const response = await fetch(at, { method: 'POST', body: new Uint8Array(5_000_000) });
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
  const upload = () => apiOf(sandbox.url)('PUT', '/scripts/back', uploadForm([answering('"again"')]));
  expect(await upload()).toMatchObject({ status: 503, success: false });
  await sandbox.startRunner();
  expect(await textAt(at)).toBe('up');
  expect(await upload()).toMatchObject({ status: 200 });
  expect(await textAt(at)).toBe('again');
}, 20_000);

test('a version that could not be fetched because main.ts was down loads once it is back', async () => {
  const sandbox = await supervised();
  const [main, runner] = await Promise.all([sandbox.startMain(), sandbox.startRunner()]);
  const at = await deployed(sandbox.url, 'cold', uploadForm([answering('"warm"')]));
  const { result } = await apiOf(sandbox.url)('GET', '/scripts/cold/versions');
  const [version] = z.object({ items: z.array(z.object({ id: z.string() })) }).parse(result).items;
  await killed(main);
  await killed(runner);
  const coldRunner = await sandbox.startRunner();
  const headers = sandbox.runnerHeaders('cold', version?.id ?? '');
  const direct = () => fetch(sandbox.runnerUrl, { headers });
  expect((await direct()).status).toBe(503);
  await sandbox.startMain();
  expect(await (await direct()).text()).toBe('warm');
  expect(await textAt(at)).toBe('warm');
  expect(coldRunner.exitCode).toBe(null);
}, 20_000);

test('main.ts killed in the middle of an upload has stored nothing of it', async () => {
  const sandbox = await supervised();
  const [main] = await Promise.all([sandbox.startMain(), sandbox.startRunner()]);
  const at = await deployed(sandbox.url, 'half', uploadForm([answering('"whole"')]));
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'multipart/form-data; boundary=X',
    'content-length': 9999,
  };
  const path = `/client/v4/accounts/${ACCOUNT}/workers/scripts/half`;
  const upload = request({ host: '127.0.0.1', port: sandbox.port, method: 'PUT', path, headers });
  const broken = once(upload, 'error');
  upload.on('error', () => undefined);
  await new Promise<void>((resolve) =>
    upload.write('--X\r\nContent-Disposition: form-data; name="meta', () => resolve()),
  );
  await killed(main);
  await broken;
  await sandbox.startMain();
  expect(await textAt(at)).toBe('whole');
}, 20_000);

test('main.ts killed at any moment of an upload is before or after it, never between', async () => {
  const sandbox = await supervised();
  await sandbox.startRunner();
  let main = await sandbox.startMain();
  const at = await deployed(sandbox.url, 'torn', uploadForm([answering('"0"')]));
  for (const delayMs of [0, 5, 10, 20, 30, 45]) {
    const before = await textAt(at);
    const after = String(delayMs + 1);
    const upload = apiOf(sandbox.url)('PUT', '/scripts/torn', uploadForm([answering(`"${after}"`)]));
    const outcome = upload.then(({ success }) => success).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await killed(main);
    const acknowledged = await outcome;
    main = await sandbox.startMain();
    expect(acknowledged ? [after] : [before, after]).toContain(await textAt(at));
  }
}, 30_000);
