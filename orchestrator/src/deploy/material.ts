import type { CommandContext } from '../commands/handler.ts';
import { bodyOf, type Plan } from './plan.ts';
import type { Material, Module } from './upload.ts';
import { checkModules } from './validate.ts';

/** Pulls and checks all that a version is made of. Throws `Failure` when something lacks or does not parse. */
export async function obtain(plan: Plan, context: CommandContext): Promise<Material> {
  const body = bodyOf(plan);
  const modules: Module[] = [];
  // One after the other: together they are at most 10 MB, and the channel has customers' requests to carry.
  for (const { path, sha256, bytes } of body.modules)
    modules.push({ path, bytes: await context.blob({ sha256, bytes }) });
  await checkModules(modules, body.mainModule);
  const refs = Object.entries(body.secrets ?? {});
  const values = await Promise.all(
    refs.map(async ([name, ref]) => [name, await context.secret(ref)] as const),
  );
  return { modules, secrets: Object.fromEntries(values) };
}
