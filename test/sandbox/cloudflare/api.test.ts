import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  ACCOUNT,
  type Answer,
  answering,
  apiOf,
  deployed,
  MODULE,
  ownCloudflare,
  TOKEN,
  textAt,
  uploadForm,
} from './fixture.ts';

const codes = ({ status, errors }: Answer): (number | undefined)[] => [status, errors[0]?.code];
const Id = z.object({ id: z.string() });

test('credentials: none 9106, malformed 6003, unknown 10000, another account 403, no account id 7003', async () => {
  const { url } = await ownCloudflare();
  const ask = async (path: string, authorization?: string) => {
    const response = await fetch(
      url + path,
      authorization === undefined ? {} : { headers: { authorization } },
    );
    const { errors } = z
      .object({ errors: z.array(z.object({ code: z.number() })) })
      .parse(await response.json());
    return [response.status, errors[0]?.code];
  };
  const scripts = `/accounts/${ACCOUNT}/workers/scripts`;
  expect(await ask(scripts)).toEqual([400, 9106]);
  expect(await ask(scripts, 'Basic abc')).toEqual([400, 6003]);
  expect(await ask(scripts, 'Bearer abc')).toEqual([401, 10000]);
  expect(await ask('/user/tokens/verify', 'Bearer abc')).toEqual([401, 1000]);
  expect(await ask(`/accounts/${'f'.repeat(32)}/workers/scripts`, `Bearer ${TOKEN}`)).toEqual([403, 10000]);
  expect(await ask('/accounts/me/workers/scripts', `Bearer ${TOKEN}`)).toEqual([404, 7003]);
  expect(await ask(`/accounts/${ACCOUNT}/workers/nothing`, `Bearer ${TOKEN}`)).toEqual([404, 7003]);
});

test('a Worker that does not start is refused with 10021 and what it threw, and nothing is stored', async () => {
  const api = apiOf((await ownCloudflare()).url);
  const attempt = (content: string, metadata?: object) =>
    api('PUT', '/scripts/broken', uploadForm([{ name: 'index.js', content }], metadata));
  const working = 'export default { fetch() {} }';
  const cases: [Promise<Answer>, number, RegExp][] = [
    [attempt('export default { fetch( }'), 10021, /Uncaught SyntaxError[\s\S]*index\.js:1/],
    [attempt('missing.call();'), 10021, /ReferenceError: missing is not defined/],
    [attempt('import "./other.js";'), 10021, /No such module "other\.js"/],
    [attempt('await fetch("http://localhost");'), 10021, /Disallowed operation called within global scope/],
    [attempt('export const five = 5; export default { fetch() {} }'), 10021, /'five'/],
    [attempt('export default {}'), 10068, /no registered event handlers/],
    [attempt(working, { compatibility_date: '2999-01-01' }), 10021, /in the future: 2999-01-01/],
    [attempt(working, { compatibility_date: 'soon' }), 10021, /compatibility_date/],
    [attempt(working, { compatibility_flags: ['no_such'] }), 10021, /No such compatibility flag: no_such/],
  ];
  for (const [refusal, code, message] of cases) {
    const answer = await refusal;
    expect(codes(answer), message.source).toEqual([400, code]);
    expect(answer.errors[0]?.message).toMatch(message);
  }
  expect(codes(await api('GET', '/scripts/broken/settings'))).toEqual([404, 10007]);
});

test('metadata and modules are checked strictly, and the refusal names what is wrong', async () => {
  const api = apiOf((await ownCloudflare()).url);
  const attempt = async (metadata: object, ...more: Parameters<typeof uploadForm>[0]) =>
    api('PUT', '/scripts/strict', uploadForm([answering('1'), ...more], metadata));
  const bind = (binding: object) => attempt({ bindings: [binding] });
  const text = (size: number) => ({ type: 'plain_text', name: 'A', text: 'x'.repeat(size) });
  const cases: [Promise<Answer>, number, RegExp][] = [
    [attempt({ main_module: 'absent.js' }), 10021, /No such module "absent\.js"/],
    [attempt({ main_modul: 'index.js' }), 10021, /main_modul/],
    [attempt({ assets: {} }), 10021, /"assets" is not supported/],
    [bind({ type: 'kv_namespace', name: 'KV', namespace_id: '1' }), 10041, /KV namespace '1' not found/],
    [bind({ type: 'ai', name: 'AI' }), 10021, /binding AI of type ai is not supported/],
    [bind({ type: 'plain_text', name: 'A' }), 10021, /binding A of type plain_text is not valid: text/],
    [bind({ type: 'plain_text', text: 'a' }), 10052, /no name/],
    [bind(text(5 * 1024 + 1)), 10054, /5 KB/],
    [attempt({ bindings: [text(1), text(2)] }), 10053, /'A' already in use/],
    [attempt({}, { name: 'a.py', content: '', type: 'text/x-python' }), 10021, /text\/x-python/],
    [attempt({}, { name: 'a.js', content: '', filename: 'b.js' }), 10021, /another filename, "b\.js"/],
    [attempt({}, { name: '../a.js', content: '', type: MODULE }), 10021, /leaves the Worker's root/],
    [attempt({ annotations: { 'workers/tag': 'x'.repeat(101) } }), 10021, /workers\/tag/],
  ];
  for (const [refusal, code, message] of cases) {
    const answer = await refusal;
    expect(codes(answer), message.source).toEqual([400, code]);
    expect(answer.errors[0]?.message).toMatch(message);
  }
  expect(codes(await api('PUT', '/scripts/strict', new FormData()))).toEqual([400, 10026]);
});

test('names that are no Worker names are refused with 10016', async () => {
  const api = apiOf((await ownCloudflare()).url);
  for (const name of ['Upper', 'a.b', '-a', 'a-', 'a%20b', 'a%2Fb', '%2E%2E%2Fa', 'x'.repeat(64), 'ä']) {
    expect(codes(await api('PUT', `/scripts/${name}`, uploadForm([answering('1')]))), name).toEqual([
      400, 10016,
    ]);
  }
});

test('a 10 MB Worker runs', async () => {
  const { url } = await ownCloudflare();
  const content =
    'import data from "./data.bin"; export default { fetch: () => new Response(data.byteLength) };';
  const data = new Uint8Array(randomBytes(10_000_000));
  const form = uploadForm([
    { name: 'index.js', content },
    { name: 'data.bin', content: data, type: 'application/octet-stream' },
  ]);
  expect(await textAt(await deployed(url, 'large', form))).toBe('10000000');
}, 20_000);

test('two uploads of one script at once both become versions, one after the other', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  const at = await deployed(url, 'busy', uploadForm([answering('"zero"')]));
  const uploads = ['a', 'b', 'c', 'd'].map((word) =>
    api('PUT', '/scripts/busy', uploadForm([answering(`"${word}"`)])),
  );
  expect((await Promise.all(uploads)).every(({ success }) => success)).toBe(true);
  const { result } = await api('GET', '/scripts/busy/versions');
  const items = z.object({ items: z.array(z.object({ number: z.number() })) }).parse(result).items;
  expect(items.map(({ number }) => number)).toEqual([5, 4, 3, 2, 1]);
  expect(await textAt(at)).toMatch(/^[abcd]$/);
});

test('bindings: kept types stay, inherited ones are taken over, a strict one that is not there is 10057', async () => {
  const { url } = await ownCloudflare();
  const all = 'JSON.stringify({ ...env })';
  const first = [
    { type: 'secret_text', name: 'S', text: 'secret' },
    { type: 'plain_text', name: 'P', text: 'plain' },
    { type: 'json', name: 'J', json: { deep: [1, null] } },
  ];
  const at = await deployed(url, 'bound', uploadForm([answering(all)], { bindings: first }));
  expect(JSON.parse(await textAt(at))).toEqual({ S: 'secret', P: 'plain', J: { deep: [1, null] } });
  const next = { keep_bindings: ['secret_text'], bindings: [{ type: 'inherit', name: 'Q', old_name: 'P' }] };
  await deployed(url, 'bound', uploadForm([answering(all)], next));
  expect(JSON.parse(await textAt(at))).toEqual({ S: 'secret', Q: 'plain' });
  const gone = () => uploadForm([answering(all)], { bindings: [{ type: 'inherit', name: 'P' }] });
  expect(codes(await apiOf(url)('PUT', '/scripts/bound?bindings_inherit=strict', gone()))).toEqual([
    400, 10057,
  ]);
});

test('a deployment must total 100 % of one or two known versions', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  await deployed(url, 'split', uploadForm([answering('1')]));
  const { id } = Id.parse(
    (await api('POST', '/scripts/split/versions', uploadForm([answering('2')]))).result,
  );
  const deploy = (...versions: [string, number][]) =>
    api('POST', '/scripts/split/deployments', {
      strategy: 'percentage',
      versions: versions.map(([version_id, percentage]) => ({ version_id, percentage })),
    });
  const unknown = '00000000-0000-4000-8000-000000000000';
  expect(codes(await deploy([id, 99]))).toEqual([400, 10021]);
  expect(codes(await deploy([id, 50], [id, 50]))).toEqual([400, 10021]);
  expect(codes(await deploy([id, 50], [unknown, 50]))).toEqual([404, 10007]);
  expect(codes(await deploy([id, 30], [unknown, 30], [ACCOUNT, 40]))).toEqual([400, 10021]);
  expect((await deploy([id, 100])).success).toBe(true);
});

test('secrets: not while the latest version is undeployed (10215); behind a changed one only with force (10220)', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  const secret = (name: string) => api('PUT', '/scripts/s/secrets', { name, text: 'x', type: 'secret_text' });
  const at = await deployed(
    url,
    's',
    uploadForm([answering('env.A')], { bindings: [{ type: 'plain_text', name: 'P', text: '' }] }),
  );
  const { result } = await api('GET', '/scripts/s/versions');
  const first = z.object({ items: z.array(Id).min(1) }).parse(result).items[0]?.id;
  expect(codes(await secret('P'))).toEqual([400, 10053]);
  expect((await secret('A')).success).toBe(true);
  expect(await textAt(at)).toBe('x');
  const back = { strategy: 'percentage', versions: [{ version_id: first, percentage: 100 }] };
  expect(codes(await api('POST', '/scripts/s/deployments', back))).toEqual([400, 10220]);
  expect((await api('POST', '/scripts/s/deployments?force=true', back)).success).toBe(true);
  expect(await textAt(at)).toBe('');
  expect(codes(await secret('B'))).toEqual([400, 10215]);
});

test('settings change without code: a new version, deployed; script settings alone make none', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  const at = await deployed(url, 'set', uploadForm([answering('env.A')]));
  const form = new FormData();
  form.set('settings', JSON.stringify({ bindings: [{ type: 'plain_text', name: 'A', text: 'new' }] }));
  expect((await api('PATCH', '/scripts/set/settings', form)).success).toBe(true);
  expect(await textAt(at)).toBe('new');
  const patched = await api('PATCH', '/scripts/set/script-settings', { logpush: true, tags: ['a'] });
  expect(patched.result).toMatchObject({ logpush: true, tags: ['a'] });
  const { result } = await api('GET', '/scripts/set/versions');
  expect(z.object({ items: z.array(Id) }).parse(result).items).toHaveLength(2);
});

test('what a budget is spent on is told: every call with a valid token, and no other', async () => {
  const { url } = await ownCloudflare();
  const scripts = `/accounts/${ACCOUNT}/workers/scripts`;
  for (const token of [TOKEN, 'another'])
    await fetch(url + scripts, { headers: { authorization: `Bearer ${token}` } });
  const calls = await (await fetch(new URL('/_calls', url))).json();
  expect(calls).toEqual([{ at: expect.any(Number), method: 'GET', path: `/client/v4${scripts}` }]);
});
