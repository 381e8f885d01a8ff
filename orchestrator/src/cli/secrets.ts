import { readFileSync } from 'node:fs';
import { explain, putSecret, secretName } from '@clawdbot/protocol';
import { type Desk, show, when } from './desk.ts';
import { CliError, type Io, list, messageOf } from './io.ts';

/** Sets a secret. Its value is never an argument: those are in the shell's history and in every process list. */
export async function setSecret(
  desk: Desk,
  siteId: string,
  name: string,
  file: string | undefined,
): Promise<void> {
  // Before anybody types or pipes a value for nothing.
  const named = secretName.safeParse(name);
  if (!named.success) throw new CliError(explain(named.error, 'name'));
  const value = (await readValue(desk.io, name, file)).replace(/\r?\n$/, '');
  const checked = putSecret.safeParse({ value });
  if (!checked.success) throw new CliError(explain(checked.error));
  await desk.edge.putSecret(siteId, name, value);
  show(desk, { siteId, name, state: 'set' }, () => `${name} is set`);
}

export async function listSecrets(desk: Desk, siteId: string): Promise<void> {
  const { items } = await desk.edge.secrets(siteId);
  show(desk, items, () =>
    list(
      ['NAME', 'VERSION', 'SET', 'BY'],
      items.map(({ name, version, updatedAt, updatedBy }) => [
        name,
        String(version),
        when(updatedAt),
        updatedBy,
      ]),
    ),
  );
}

export async function deleteSecret(desk: Desk, siteId: string, name: string): Promise<void> {
  await desk.edge.deleteSecret(siteId, name);
  show(desk, { siteId, name, state: 'deleted' }, () => `${name} is deleted`);
}

function readValue(io: Io, name: string, file: string | undefined): Promise<string> | string {
  if (file !== undefined) return readFile(file);
  return io.askHidden?.(`${name}: `) ?? io.readStdin();
}

function readFile(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (cause) {
    if (!(cause instanceof TypeError)) {
      throw new CliError(`${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
    throw new CliError(`${file} is no UTF-8 text: encode it first, for example as base64`, { cause });
  }
}
