import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type Key, loadKey, loadSecrets, type Secrets, USER_TOKENS, userToken } from './identity.ts';
import { choosePorts, hasLoopbackV6, type Ports } from './ports.ts';
import type { SandboxFile } from './sandbox-file.ts';
import { DEMO, OTHER, type Tenant } from './seed/tenants.ts';

/** Where everything of one sandbox is: folder, ports, addresses, keys. */
export interface Layout {
  readonly dir: string;
  readonly ports: Ports;
  /** The ports of the last run: what config still names. */
  readonly portsBefore: Ports | undefined;
  readonly ipv6: boolean;
  readonly urls: Urls;
  readonly secrets: Secrets;
  readonly tenant: Tenant;
  readonly key: Key;
  readonly otherKey: Key;
  /** Known to the supervisor and its children only, and new at every start. */
  readonly adminToken: string;
  readonly runnerToken: string;
}

interface Urls {
  readonly edge: string;
  readonly relay: string;
  readonly orchestrator: string;
  readonly cloudflareApi: string;
  readonly workers: string;
  readonly upstream: string;
  readonly admin: string;
}

/** Two origins on one port, by two names of loopback. Whatever runs customers' code is on `localhost` too. */
const urlsOf = (ports: Ports): Urls => ({
  edge: `http://127.0.0.1:${ports.edge}`,
  relay: `http://localhost:${ports.edge}`,
  orchestrator: `http://127.0.0.1:${ports.orchestrator}`,
  cloudflareApi: `http://127.0.0.1:${ports.cloudflare}/client/v4`,
  workers: `http://127.0.0.1:${ports.cloudflare}/_workers`,
  upstream: `http://localhost:${ports.upstream}`,
  admin: `http://127.0.0.1:${ports.admin}`,
});

/** Reads what the folder keeps of an earlier run and makes what is missing. */
export async function layOut(dir: string, wanted: Partial<Ports>): Promise<Layout> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { ports, before } = await choosePorts(dir, wanted, Math.random);
  return {
    dir,
    ports,
    portsBefore: before,
    ipv6: await hasLoopbackV6(),
    urls: urlsOf(ports),
    secrets: loadSecrets(dir),
    tenant: DEMO,
    key: loadKey(dir, DEMO.orchestratorId),
    otherKey: loadKey(dir, OTHER.orchestratorId),
    adminToken: randomBytes(24).toString('hex'),
    runnerToken: randomBytes(24).toString('hex'),
  };
}

/** Text bindings of the edge Worker. */
export const edgeVars = ({ ports, secrets }: Layout): Record<string, string> => ({
  CONSOLE_HOST: `127.0.0.1:${ports.edge}`,
  RELAY_HOST: `localhost:${ports.edge}`,
  JWT_SECRET: secrets.jwtSecret,
  SECRETS_KEY: secrets.secretsKey,
  JWT_ISSUER: USER_TOKENS.issuer,
  JWT_AUDIENCE: USER_TOKENS.audience,
});

/** What the world is told. */
export function describe({ urls, secrets, tenant }: Layout): Omit<SandboxFile, 'pids'> {
  return {
    edgeUrl: urls.edge,
    relayUrl: urls.relay,
    orchestratorUrl: urls.orchestrator,
    cloudflareApiUrl: urls.cloudflareApi,
    cloudflareAccountId: secrets.cloudflareAccountId,
    cloudflareApiToken: secrets.cloudflareApiToken,
    workersUrl: urls.workers,
    upstreamUrl: urls.upstream,
    orgId: tenant.orgId,
    orchestratorId: tenant.orchestratorId,
    siteId: tenant.siteId,
    adminToken: userToken(secrets.jwtSecret, tenant.orgId, 'admin'),
    viewerToken: userToken(secrets.jwtSecret, tenant.orgId, 'viewer'),
    other: {
      orgId: OTHER.orgId,
      siteId: OTHER.siteId,
      adminToken: userToken(secrets.jwtSecret, OTHER.orgId, 'admin'),
    },
  };
}
