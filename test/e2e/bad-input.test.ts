import { describe, expect, test } from 'vitest';
import { userToken } from '../sandbox/identity.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();

const deploy = (changes: object) => ({
  action: 'deploy_worker',
  siteId: 'demo-shop',
  payload: {
    name: 'x',
    mainModule: 'a.js',
    modules: { 'a.js': 'export default {}' },
    compatibilityDate: '2026-01-01',
    ...changes,
  },
});
const configure = (payload: object) => ({ action: 'update_config', siteId: 'demo-shop', payload });
const routes = (route: object) =>
  configure({ base: 1, config: { routes: [{ path: '/*', upstream: 'http://127.0.0.1:1', ...route }] } });
const status = { action: 'get_status', siteId: 'demo-shop', payload: {} };

describe('POST /api/v1/orchestrator answers 400 with the path of what is wrong', () => {
  test.each<[what: string, body: unknown, path: string]>([
    ['no JSON', '{', 'body'],
    ['a list', [], 'body'],
    ['null', null, 'body'],
    ['no action', { ...status, action: undefined }, 'action'],
    ['an unknown action', { ...status, action: 'reboot' }, 'action'],
    ['an action that is no text', { ...status, action: 7 }, 'action'],
    ['no siteId', { ...status, siteId: undefined }, 'siteId'],
    ['a siteId that is no label', { ...status, siteId: 'Not A Label' }, 'siteId'],
    ['a siteId that is no text', { ...status, siteId: { a: 1 } }, 'siteId'],
    ['no payload', { ...status, payload: undefined }, 'payload'],
    ['a payload that is a list', { ...status, payload: [] }, 'payload'],
    ['an unknown member', { ...status, extra: 1 }, 'extra'],
    ['an unknown member of the payload', { ...status, payload: { verbose: true } }, 'payload'],
    ['no name', deploy({ name: undefined }), 'payload.name'],
    ['a bad name', deploy({ name: 'Not a name' }), 'payload.name'],
    ['no main module', deploy({ mainModule: undefined }), 'payload.mainModule'],
    ['a main module that is not there', deploy({ mainModule: 'b.js' }), 'payload.mainModule'],
    ['a module path that climbs', deploy({ modules: { 'a.js': '', '../b.js': '' } }), 'payload.modules'],
    ['no modules', deploy({ modules: undefined }), 'payload.modules'],
    ['a module that is no text', deploy({ modules: { 'a.js': 7 } }), 'payload.modules.a.js'],
    ['base64 that is none', deploy({ modules: { 'a.js': { base64: '%%' } } }), 'payload.modules.a.js'],
    ['a bad date', deploy({ compatibilityDate: 'soon' }), 'payload.compatibilityDate'],
    ['no date', deploy({ compatibilityDate: undefined }), 'payload.compatibilityDate'],
    ['vars that are no text', deploy({ vars: { A: 1 } }), 'payload.vars.A'],
    ['a var’s name with a space', deploy({ vars: { 'A B': 'x' } }), 'payload.vars'],
    ['secrets that are no references', deploy({ secrets: { A: {} } }), 'payload.secrets.A'],
    ['routes that are no list', deploy({ routes: 'example.com/*' }), 'payload.routes'],
    ['an unknown strategy', deploy({ strategy: { type: 'hope' } }), 'payload.strategy'],
    ['an expiry in the past', deploy({ expiresInMs: -1 }), 'payload.expiresInMs'],
    ['no base', configure({ patch: {} }), 'payload.base'],
    ['a base that is no number', configure({ base: '1', patch: {} }), 'payload.base'],
    ['neither patch nor config', configure({ base: 1 }), 'payload'],
    ['both patch and config', configure({ base: 1, patch: {}, config: {} }), 'payload'],
    ['an unknown member of the config', configure({ base: 1, config: { rooutes: [] } }), 'rooutes'],
    ['a route without a path', routes({ path: undefined }), 'routes[0].path'],
    ['a route’s path that is none', routes({ path: 'no-slash' }), 'routes[0].path'],
    ['an upstream with a password', routes({ upstream: 'http://a:b@127.0.0.1' }), 'routes[0].upstream'],
    ['an unknown offline rule', routes({ offline: 'maybe' }), 'routes[0].offline'],
    ['a method in small letters', routes({ methods: ['get'] }), 'routes[0].methods[0]'],
    ['a timeout that is too long', routes({ timeoutMs: 10_000_000 }), 'routes[0].timeoutMs'],
  ])('%s', async (_, body, path) => {
    const { generation } = await system().config();
    const current = JSON.stringify(body)?.replace('"base":1', `"base":${generation}`);
    const answer = await system().api('/api/v1/orchestrator', {
      method: 'POST',
      body: typeof body === 'string' ? body : current,
    });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ success: false, timestamp: expect.any(String) });
    expect(answer.json.error).toContain(path);
  });
});

describe('who may do what', () => {
  const { action, payload } = deploy({});

  test('no token, a token that is none, one with another key, and an expired one are 401', async () => {
    const { orgId } = system().file;
    const { jwtSecret } = system().sandbox.layout.secrets;
    const expired = userToken(jwtSecret, orgId, 'admin', -3_600);
    for (const token of [null, 'x', userToken('another secret', orgId, 'admin'), expired]) {
      expect((await system().act('get_status', {}, { token })).status).toBe(401);
    }
  });

  test('a viewer may look and not touch', async () => {
    const token = system().file.viewerToken;
    expect((await system().act(action, payload, { token })).status).toBe(403);
    expect((await system().act('update_config', { base: 1, patch: {} }, { token })).status).toBe(403);
    expect((await system().act('get_status', {}, { token })).status).toBe(200);
  });

  test('a site that is not there, and another organisation’s site, are alike 404', async () => {
    const missing = await system().act('get_status', {}, { siteId: 'no-such-site' });
    const foreign = await system().act('get_status', {}, { token: system().file.other.adminToken });
    expect([missing.status, foreign.status]).toEqual([404, 404]);
  });

  test('nothing of one organisation is in another’s lists', async () => {
    const token = system().file.other.adminToken;
    for (const list of ['sites', 'orchestrators', 'commands']) {
      const { status, text } = await system().api(`/api/v1/${list}`, { token });
      expect([list, status]).toEqual([list, 200]);
      expect(text).not.toContain('demo-');
    }
  });

  test('an unknown path is 404, a wrong method 404 or 405, and both are problem+json', async () => {
    for (const [method, path] of [
      ['GET', '/api/v1/nonsense'],
      ['DELETE', '/api/v1/sites'],
    ] as const) {
      const answer = await system().api(path, { method });
      expect([404, 405]).toContain(answer.status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  });
});
