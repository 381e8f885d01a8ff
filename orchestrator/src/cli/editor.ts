import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CliError } from './io.ts';

const FALLBACK = 'vi';

/** Opens a file in `$VISUAL`, else `$EDITOR`, by a shell as git does: it may have arguments. Throws `CliError`. */
export async function edit(file: string): Promise<void> {
  const editor = process.env['VISUAL'] ?? process.env['EDITOR'] ?? FALLBACK;
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new CliError(`${editor} ended with ${code}: nothing was changed; ${file} is kept`);
}
