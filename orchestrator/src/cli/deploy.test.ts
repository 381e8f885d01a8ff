import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder } from './clawctl.fixture.ts';
import { deployed, textOf } from './deploy.fixture.ts';
import { CliError } from './io.ts';

describe('a folder', () => {
  it('is bundled into one module: TypeScript, packages, texts; WebAssembly and data stay apart', async () => {
    const root = folder({
      'src/index.ts': `
        import { greeting } from 'greetings';
        import page from './page.html';
        import data from './data.bin';
        import { connect } from 'cloudflare:sockets';
        const answer: string = greeting + page;
        export default { fetch: () => new Response(answer + data.byteLength + typeof connect) };`,
      'src/page.html': '<b>page</b>',
      'src/data.bin': new Uint8Array([0xff, 0xfe]),
      'node_modules/greetings/package.json': '{ "main": "main.js" }',
      'node_modules/greetings/main.js': `exports.greeting = require('events').name + 'hello';`,
    });
    const { payload } = await deployed([root, '--name', 'x']);
    const text = textOf(payload);
    expect(text).toMatch(/hello[\s\S]*<b>page<\/b>/);
    expect(text).toContain('from "cloudflare:sockets"');
    expect(text).toContain('from "node:events"');
    const [data = ''] = Object.keys(payload.modules).filter((path) => path !== payload.mainModule);
    expect(text).toContain(`"./${data}"`);
    expect(payload.modules[data]).toEqual({ base64: '//4=' });
  });

  it('is what its wrangler.jsonc says, and the options go before that', async () => {
    const root = folder({
      'wrangler.jsonc': `{
        // As wrangler has it.
        "name": "from-config", "main": "worker/main.ts", "compatibility_date": "2026-01-02",
        "vars": { "A": "1", "B": "2" }, "kv_namespaces": [], "triggers": { "crons": [] }, "workers_dev": true,
        "observability": { "enabled": true },
      }`,
      'worker/main.ts': 'export default {}',
    });
    const { payload, err } = await deployed([root, '--var', 'B=3']);
    expect(payload).toMatchObject({
      name: 'from-config',
      compatibilityDate: '2026-01-02',
      vars: { A: '1', B: '3' },
    });
    expect(err).toMatch(
      /^from-config: bundled from .*worker\/main.ts, 0\.\d KB in 1 module, compatibility date 2026-01-02, variables: A, B\n/,
    );
    expect(err).toMatch(/not deployed from wrangler’s config: observability$/);
    const other = await deployed([root, '--name', 'other', '--compatibility-date', '2026-03-04']);
    expect(other.payload).toMatchObject({ name: 'other', compatibilityDate: '2026-03-04' });
  });

  it('is what its wrangler.toml says as well', async () => {
    const files = { 'worker/main.ts': 'export default {}' };
    const toml = 'name = "from-toml"\nmain = "worker/main.ts"\n[vars]\nA = "1"\n';
    const { payload } = await deployed([folder({ ...files, 'wrangler.toml': toml })]);
    expect(payload).toMatchObject({ name: 'from-toml', vars: { A: '1' } });
    const broken = folder({ ...files, 'wrangler.toml': 'name = "x"\nmain = \n' });
    await expect(deployed([broken])).rejects.toThrow(/wrangler\.toml:2: Invalid TOML/);
  });

  it('begins with --main, else what package.json names, else index.ts and the like', async () => {
    const files = { 'index.ts': 'export const at = "index"', 'lib/a.mjs': 'export const at = "lib"' };
    expect(textOf((await deployed([folder(files)])).payload)).toContain('"index"');
    expect(textOf((await deployed([folder(files), '--main', 'lib/a.mjs'])).payload)).toContain('"lib"');
    const named = folder({ ...files, 'package.json': '{ "main": "lib/a.mjs" }' });
    expect(textOf((await deployed([named])).payload)).toContain('"lib"');
  });

  it('with mistakes is refused with the file and line of each', async () => {
    const root = folder({ 'index.ts': `import './nowhere';\nexport default {\n  fetch: () => 1 +,\n};` });
    await expect(deployed([root])).rejects.toThrow(/index\.ts:3:19: Unexpected ","/);
    const missing = folder({ 'index.ts': `import './nowhere';\nimport 'nothing';` });
    await expect(deployed([missing])).rejects.toThrow(
      /index\.ts:1:8: Could not resolve "\.\/nowhere"\n.*index\.ts:2:8: Could not resolve "nothing"/,
    );
    await expect(deployed([missing])).rejects.toBeInstanceOf(CliError);
  });

  it.each([
    ['1', /wrangler\.jsonc: expected an object/],
    ['{\n"name": \n}', /wrangler\.jsonc:3: ValueExpected/],
    ['{ "main": "no.ts" }', /there is no module no\.ts in/],
    [`{ "limits": ${'['.repeat(100_000)}`, /wrangler\.jsonc: nested too deeply/],
    ['\uFEFF{ "main": "no.ts" }', /there is no module no\.ts in/],
  ])('with a config that cannot be followed is refused: case %#', async (config, message) => {
    const root = folder({ 'wrangler.jsonc': config, 'index.ts': '' });
    await expect(deployed([root])).rejects.toThrow(message);
  });

  it('whose config cannot be read is refused', async () => {
    const root = folder({ 'wrangler.jsonc/index.ts': '' });
    await expect(deployed([root])).rejects.toThrow(/wrangler\.jsonc cannot be read: EISDIR/);
  });
});

describe('a file', () => {
  it('is bundled by itself, and names the Worker', async () => {
    const root = folder({
      'Lead_Form.v2.ts': 'import { a } from "./a"; export default { fetch: () => a as string }',
      'a.ts': 'export const a = "lib"',
      'wrangler.jsonc': '{ "name": "not-asked" }',
    });
    const { payload } = await deployed([join(root, 'Lead_Form.v2.ts')]);
    expect(payload.name).toBe('lead-form-v2');
    expect(textOf(payload)).toContain('"lib"');
  });
});

describe('a template', () => {
  it('is told the site and where edge and relay are', async () => {
    const { payload } = await deployed(['--template', 'site-tag', '--var', 'ORIGINS=https://shop.example'], {
      env: {
        CLAWCTL_URL: 'https://edge.example',
        CLAWCTL_TOKEN: 't',
        CLAWCTL_RELAY_URL: 'https://relay.example',
      },
    });
    expect(payload).toMatchObject({
      name: 'shop-site-tag',
      vars: {
        SITE_ID: 'shop',
        EDGE_URL: 'https://edge.example',
        RELAY_URL: 'https://relay.example',
        ORIGINS: 'https://shop.example',
      },
    });
    expect(textOf(payload), 'with the script for browsers in it').toMatch(/_ae_outbox/);
  });

  it('says which variable it needs', async () => {
    await expect(deployed(['--template', 'site-tag'])).rejects.toThrow(
      /needs RELAY_URL: give --var RELAY_URL=…, or set CLAWCTL_RELAY_URL/,
    );
    const proxy = ['--template', 'proxy', '--var', 'UPSTREAM_URL=https://shop.example'];
    await expect(deployed(proxy)).rejects.toThrow(/the template proxy needs TAG_URL/);
  });

  it('takes the place of a path', async () => {
    for (const args of [[], [folder({ 'index.ts': '' }), '--template', 'proxy']])
      await expect(deployed(args)).rejects.toThrow(/name what to deploy/);
  });
});

it('goes out by steps when they are given', async () => {
  const root = folder({ 'index.ts': 'export default {}' });
  const steps = ['--steps', '1,10,100', '--bake', '5', '--check', '/health'];
  expect((await deployed([root, '--name', 'x', ...steps])).payload.strategy).toEqual({
    type: 'gradual',
    steps: [1, 10, 100],
    bakeMs: 5_000,
    healthCheck: { path: '/health', status: 200, maxErrorRate: 0 },
  });
});
