import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from '../io.ts';

/** Where a Worker begins when nobody says; the first that is there. */
const MAINS = ['index', 'src/index', 'worker', 'src/worker'].flatMap((path) =>
  ['ts', 'js', 'mjs'].map((ending) => `${path}.${ending}`),
);

/** The source that a folder's Worker begins with. Throws `CliError`. */
export function mainOf(folder: string, named: string | undefined): string {
  const main = named ?? packageMain(folder) ?? MAINS.find((path) => existsSync(join(folder, path)));
  if (main === undefined)
    throw new CliError(`${folder} has none of ${MAINS.join(', ')}: name the main module with --main`);
  if (!existsSync(join(folder, main))) throw new CliError(`there is no module ${main} in ${folder}`);
  return main;
}

const packageJson = z.object({ main: z.string().optional() });

function packageMain(folder: string): string | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    return packageJson.parse(JSON.parse(readFileSync(file, 'utf8'))).main;
  } catch (error) {
    throw new CliError(`${file} is no package.json`, { cause: error });
  }
}
