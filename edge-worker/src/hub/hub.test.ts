import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { orchestratorCodec, type Problem } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { helloOf } from '../channel/channel.fixture.ts';
import { ChannelKeyPair, CONSOLE, edge, fresh, Tenant, userToken } from '../edge.fixture.ts';

let tenant: Tenant;
let vps = '';
beforeEach(async () => {
  vps = fresh('vps');
  tenant = await Tenant.create(vps);
});

interface Message {
  type: string;
  position: number;
  orchestrators: { id: string; presence: { state: string }; status?: object }[];
}

const connect = (headers: Record<string, string> = {}, query = '') =>
  edge(`${CONSOLE}/live${query}`, {
    headers: {
      upgrade: 'websocket',
      authorization: `Bearer ${userToken(tenant.orgId, 'viewer')}`,
      ...headers,
    },
  });
const hub = () => env.HUB.getByName(tenant.orgId);

/** The orchestrator joins by the front door: its token, its socket, its hello. */
async function join(): Promise<WebSocket> {
  const key = await ChannelKeyPair.enrol(vps);
  const { webSocket } = await edge(`${CONSOLE}/channel?lane=0`, {
    headers: {
      upgrade: 'websocket',
      'sec-websocket-protocol': 'orchestrator.v1',
      authorization: `Bearer ${key.token()}`,
    },
  });
  if (webSocket === null) throw new Error('refused');
  webSocket.accept();
  webSocket.send(`[${orchestratorCodec.encode(helloOf(vps))}]`);
  return webSocket;
}

/** A dashboard's end of its socket. */
class Dashboard {
  readonly #messages: Message[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  #wake: () => void = () => undefined;

  constructor({ webSocket }: Response) {
    if (webSocket === null) throw new Error('refused');
    this.socket = webSocket;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.closed = promise;
    webSocket.addEventListener('message', ({ data }) => {
      this.#messages.push(JSON.parse(String(data)));
      this.#wake();
    });
    webSocket.addEventListener('close', ({ code }) => resolve(code));
    webSocket.accept();
  }

  /** The next message that has what is looked for; the test's own timeout is its deadline. */
  async next(wanted: (message: Message) => boolean = () => true): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined && wanted(message)) return message;
      if (message !== undefined) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

const says = (state: string) => (message: Message) =>
  message.type === 'update' &&
  message.orchestrators.some((one) => one.id === vps && one.presence.state === state);

describe('WS /live', () => {
  const refused = async (response: Response): Promise<[number, string]> => [
    response.status,
    (await response.json<Problem>()).code,
  ];

  it('takes a bearer token from the header alone', async () => {
    const authorization = '';
    expect(await refused(await connect({ authorization }))).toEqual([401, 'unauthorized']);
    const token = userToken(tenant.orgId, 'viewer');
    expect(await refused(await connect({ authorization }, `?token=${token}`))).toEqual([401, 'unauthorized']);
  });

  it('refuses any Origin but the console’s', async () => {
    for (const origin of [
      'https://evil.example',
      `${CONSOLE}.evil.example`,
      'null',
      `https://${env.RELAY_HOST}`,
    ]) {
      expect(await refused(await connect({ origin }))).toEqual([403, 'forbidden']);
    }
    const { socket } = new Dashboard(await connect({ origin: CONSOLE }));
    socket.close();
  });

  it('is 426 without an upgrade', async () => {
    expect(await refused(await connect({ upgrade: '' }))).toEqual([426, 'upgrade_required']);
  });
});

describe('a dashboard', () => {
  it('is first told all of its organisation’s orchestrators, heard of or not', async () => {
    await Tenant.create(fresh('vps'));
    const dashboard = new Dashboard(await connect());
    const snapshot = await dashboard.next();
    expect(snapshot).toEqual({
      type: 'snapshot',
      position: expect.any(Number),
      orchestrators: [{ id: vps, presence: { state: 'never' } }],
    });
    dashboard.socket.close();
  });

  it('is told what changes, at a higher position, and no other organisation is', async () => {
    const dashboard = new Dashboard(await connect());
    const { position } = await dashboard.next();
    const orchestrator = await join();
    const update = await dashboard.next(says('online'));
    expect(update.position).toBeGreaterThan(position);
    orchestrator.close(1000, '');
    expect((await dashboard.next(says('away'))).position).toBeGreaterThan(update.position);
    dashboard.socket.close();
  });

  it('sees how it is now, though nobody watched when that changed', async () => {
    await env.HUB.getByName(tenant.orgId).publish({
      orchestratorId: vps,
      presence: { state: 'online' },
      at: 1,
    });
    const dashboard = new Dashboard(await connect());
    expect((await dashboard.next()).orchestrators[0]?.presence.state).toBe('online');
    await dashboard.next(says('never'));
    dashboard.socket.close();
  });

  it('keeps its socket, and the Hub what it knows, through hibernation', async () => {
    const dashboard = new Dashboard(await connect());
    await dashboard.next(({ type }) => type === 'snapshot');
    const presence = { state: 'draining' as const, since: 5 };
    await hub().publish({ orchestratorId: vps, presence, at: Date.now() + 1_000 });
    const { position } = await dashboard.next(says('draining'));
    await evictDurableObject(env.HUB.getByName(tenant.orgId) as unknown as DurableObjectStub, {
      webSockets: 'hibernate',
    });
    const later = new Dashboard(await connect());
    expect(await later.next()).toMatchObject({ position, orchestrators: [{ id: vps, presence }] });
    await hub().publish({ orchestratorId: vps, presence: { state: 'away' }, at: Date.now() + 2_000 });
    expect((await dashboard.next(says('away'))).position).toBe(position + 1);
    for (const { socket } of [dashboard, later]) socket.close();
  });

  it('is answered when it closes', async () => {
    const dashboard = new Dashboard(await connect());
    await dashboard.next();
    dashboard.socket.close(1000, 'bye');
    expect(await dashboard.closed).toBe(1000);
    await expect.poll(() => hub().watching()).toBe(false);
  });

  it('whose token has expired is closed with 4401 at the next update', async () => {
    const exp = Math.floor(Date.now() / 1_000) - 30;
    const authorization = `Bearer ${userToken(tenant.orgId, 'viewer', { exp })}`;
    const dashboard = new Dashboard(await connect({ authorization }));
    await hub().publish({ orchestratorId: vps, presence: { state: 'online' }, at: Date.now() + 1_000 });
    expect(await dashboard.closed).toBe(4401);
  });
});

describe('the Hub', () => {
  it('drops news that is older than what it knows, and news that is none', async () => {
    const tell = (state: 'online' | 'away', at: number) =>
      hub().publish({ orchestratorId: vps, presence: { state }, at });
    await tell('online', 10);
    await tell('away', 9);
    await tell('online', 11);
    const dashboard = new Dashboard(await connect());
    expect(await dashboard.next()).toMatchObject({
      position: 1,
      orchestrators: [{ presence: { state: 'online' } }],
    });
    dashboard.socket.close();
  });
});
