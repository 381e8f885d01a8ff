import { generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadIdentity, verifyLocalToken } from '../identity.ts';
import { SANDBOX } from './answers.fixture.ts';
import { clawctl, folder } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

describe('token', () => {
  const key = () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX), '.sandbox/keys/vps-1.pem': pem });
    const KEY_FILE = join(root, '.sandbox/keys/vps-1.pem');
    chmodSync(KEY_FILE, 0o600);
    return { root, KEY_FILE };
  };
  const more = { newId: () => 'jti-12345678' };

  it('prints one that this orchestrator’s own HTTP API takes, from the environment or the sandbox', async () => {
    const { root, KEY_FILE } = key();
    for (const io of [{ env: { ORCHESTRATOR_ID: 'vps-1', KEY_FILE } }, { env: {}, cwd: root }]) {
      const { out, error } = await clawctl(['token'], {}, { ...more, ...io });
      expect(error).toBeUndefined();
      const request = { orchestratorId: 'vps-1', token: out, now: 5_000 };
      expect(verifyLocalToken(loadIdentity(KEY_FILE), request)).toMatchObject({ sub: 'vps-1' });
    }
  });

  it('names the variable that is missing', async () => {
    const { error } = await clawctl(['token'], {}, { ...more, env: { ORCHESTRATOR_ID: 'vps-1' } });
    expect(error).toBeInstanceOf(CliError);
    expect(String(error)).toMatch(/KEY_FILE is missing: set it/);
  });

  it('says in its help how long one is good, and how to use it', async () => {
    const { out } = await clawctl(['token', '--help']);
    expect(out).toMatch(/good for 5\s+minutes/);
    expect(out).toMatch(/curl -H "Authorization: Bearer \$\(clawctl token\)" \S+\/metrics/);
  });
});
