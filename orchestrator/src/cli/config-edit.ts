import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { editedConfig, explain, type Json, json } from '@clawdbot/protocol';
import { parse } from 'yaml';
import { type ApplyOptions, agree, apply, readText } from './config.ts';
import { yamlOf } from './config-diff.ts';
import type { Desk } from './desk.ts';
import { CliError, messageOf } from './io.ts';

/** Opens the desired config as YAML in an editor, and applies what was made of it. */
export async function editConfig(
  desk: Desk,
  siteId: string,
  { note, yes, detach }: ApplyOptions,
): Promise<void> {
  if (desk.io.edit === undefined)
    throw new CliError('there is no terminal to edit at: use "clawctl config set"');
  const { generation, config } = await desk.edge.config(siteId);
  const folder = mkdtempSync(join(tmpdir(), 'clawctl-'));
  const file = join(folder, `${siteId}.yaml`);
  writeFileSync(file, yamlOf(config));
  await desk.io.edit(file);
  const wanted = readEdited(file);
  rmSync(folder, { recursive: true });
  await agree(desk, { siteId, config, wanted, sure: yes === true });
  await apply(desk, siteId, { base: generation, config: wanted, note }, detach === true);
}

/** What cannot be used is kept where it is: nobody has to write it again. */
function readEdited(file: string): Json {
  const kept = `what you wrote is kept in ${file}: mend it, and "clawctl config set <site> ${file} --replace"`;
  try {
    const checked = editedConfig.safeParse(parse(readText(file)));
    if (!checked.success) throw new CliError(explain(checked.error));
    return json.parse(checked.data);
  } catch (cause) {
    throw new CliError(`${messageOf(cause).split('\n')[0]}; ${kept}`, { cause });
  }
}
