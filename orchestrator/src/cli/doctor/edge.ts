import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CLOCK_TOLERANCE_S, edgeHealth } from '@clawdbot/protocol';
import type { Config } from '../../config.ts';
import { loadIdentity, signChannelToken } from '../../identity.ts';
import { createDial } from '../../link/index.ts';
import type { Io } from '../io.ts';
import { accessHeaders } from '../vps.ts';
import type { Check } from './check.ts';

/** A certificate that ends sooner is worth a word. */
const CERTIFICATE_DAYS_MIN = 7;

/** From the name to the open channel: each step on the way to the edge. */
export function edgeChecks(config: Config, io: Io): Check[] {
  const url = new URL(config.edgeUrl);
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return [
    {
      name: 'DNS',
      gates: true,
      advice: 'check EDGE_URL and the resolver of this machine',
      run: async () => {
        const addresses = await lookup(host, { all: true });
        return `${host} is ${addresses.map(({ address }) => address).join(', ')}`;
      },
    },
    {
      name: 'TCP',
      gates: true,
      advice: `outgoing connections to port ${port} must be allowed, and the edge must be up`,
      run: async (signal) => {
        const socket = connectTcp({ host, port, signal });
        await once(socket, 'connect', { signal });
        socket.destroy();
        return `port ${port} is open`;
      },
    },
    {
      name: 'TLS',
      gates: true,
      advice: 'check the edge’s certificate, and that nothing on the way replaces it',
      run: async (signal) =>
        url.protocol === 'https:' ? certificate(host, port, signal) : { skipped: 'http, on loopback' },
    },
    {
      name: 'edge',
      advice: 'EDGE_URL must be the console’s address',
      run: async (signal) => {
        const response = await io.fetcher(`${config.edgeUrl}/health`, {
          signal,
          headers: accessHeaders(config),
        });
        if (!response.ok) throw new Error(`/health answers ${response.status}`);
        const { version } = edgeHealth.parse(await response.json());
        return `healthy, version ${version}`;
      },
    },
    { name: 'clock', advice: 'set this machine’s clock (NTP)', run: (signal) => skew(config, io, signal) },
    {
      name: 'channel',
      advice: 'see the reason',
      run: (signal) => upgrade(config, io, signal),
    },
  ];
}

async function certificate(host: string, port: number, signal: AbortSignal): Promise<string> {
  const socket = connectTls({ host, port, servername: host });
  const stop = (): void => void socket.destroy(new Error('no answer in time'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    await once(socket, 'secureConnect');
    const { valid_to } = socket.getPeerCertificate();
    const days = Math.floor((Date.parse(valid_to) - Date.now()) / 86_400_000);
    if (days < CERTIFICATE_DAYS_MIN) throw new Error(`the certificate ends in ${days} days`);
    return `${socket.getProtocol()}, certificate good for ${days} days`;
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

async function skew(config: Config, io: Io, signal: AbortSignal) {
  const before = io.now();
  const response = await io.fetcher(`${config.edgeUrl}/health`, { signal, headers: accessHeaders(config) });
  await response.body?.cancel();
  const date = response.headers.get('date');
  if (date === null) return { skipped: 'the edge does not say its time' };
  // Its clock at the middle of the exchange; the header has whole seconds.
  const differenceS = Math.round((Date.parse(date) - (before + io.now()) / 2) / 1_000);
  if (Math.abs(differenceS) > CLOCK_TOLERANCE_S)
    throw new Error(`it differs from the edge’s by ${differenceS} s`);
  return `within ${Math.abs(differenceS) + 1} s of the edge’s`;
}

/** Dials as the orchestrator does, and leaves before `hello`: one that runs is not disturbed. */
async function upgrade(config: Config, io: Io, signal: AbortSignal): Promise<string> {
  const { orchestratorId, edgeUrl, keyFile } = config;
  const identity = loadIdentity(keyFile);
  const headers = () => {
    const token = signChannelToken(identity, { orchestratorId, lane: 0, now: io.now(), jti: io.newId() });
    return { authorization: `Bearer ${token}`, ...accessHeaders(config) };
  };
  const dialled = await createDial({ edgeUrl, lane: 0, headers })(signal);
  if (!('socket' in dialled)) throw new Error(dialled.verdict.reason);
  dialled.socket.wire.close(1000, 'doctor');
  return `the edge takes the key of ${orchestratorId}`;
}
