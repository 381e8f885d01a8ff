import { env } from 'cloudflare:workers';
import type { Problem } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { CONSOLE, edge, Tenant, userToken } from '../edge.fixture.ts';
import { servicesOf } from '../services.ts';
import { admitDashboard } from './live.ts';

let token = '';
beforeAll(async () => {
  token = userToken((await Tenant.create()).orgId, 'viewer');
});

/** @returns 101, or the status and code of the refusal */
async function dial(headers: Record<string, string>, query = ''): Promise<number | [number, string]> {
  const response = await edge(`${CONSOLE}/live${query}`, { headers: { upgrade: 'websocket', ...headers } });
  response.webSocket?.accept();
  response.webSocket?.close();
  return response.status === 101 ? 101 : [response.status, (await response.json<Problem>()).code];
}

describe('WS /live', () => {
  it('takes a bearer token, or the session cookie from the console’s own page', async () => {
    expect(await dial({ authorization: `Bearer ${token}` })).toBe(101);
    expect(await dial({ cookie: `a=b; __Host-orc_session=${token}`, origin: CONSOLE })).toBe(101);
  });

  it('takes no token from the URL, and none from the loopback’s cookie over HTTPS', async () => {
    expect(await dial({}, `?token=${token}`)).toEqual([401, 'unauthorized']);
    expect(await dial({ cookie: `orc_session=${token}`, origin: CONSOLE })).toEqual([401, 'unauthorized']);
  });

  it('refuses the cookie without an Origin', async () => {
    expect(await dial({ cookie: `__Host-orc_session=${token}` })).toEqual([403, 'forbidden']);
  });

  it.each(['https://evil.example', `${CONSOLE}.evil.example`, 'null', `https://${env.RELAY_HOST}`])(
    'refuses Origin %s, with bearer or cookie',
    async (origin) => {
      expect(await dial({ origin, authorization: `Bearer ${token}` })).toEqual([403, 'forbidden']);
      expect(await dial({ origin, cookie: `__Host-orc_session=${token}` })).toEqual([403, 'forbidden']);
    },
  );

  it('opens while D1 fails', async () => {
    const broken = {
      prepare: () => {
        throw new Error('D1_ERROR: overloaded');
      },
    } as unknown as D1Database;
    const services = { ...servicesOf(env, { waitUntil: () => undefined }), db: broken };
    const headers = { upgrade: 'websocket', authorization: `Bearer ${token}` };
    const response = await admitDashboard(new Request(`${CONSOLE}/live`, { headers }), services, 'request-1');
    expect(response.status).toBe(101);
    response.webSocket?.accept();
    response.webSocket?.close();
  });

  it('is 426 without an upgrade', async () => {
    expect(await dial({ upgrade: '', authorization: `Bearer ${token}` })).toEqual([426, 'upgrade_required']);
  });
});
