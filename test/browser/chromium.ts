import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/**
 * A real Chromium out of an npm package, so that no machine needs one of its own. The package brings the
 * libraries too, but unpacks them only where it believes itself on AWS Lambda.
 */
export async function launchChromium(): Promise<Browser> {
  process.env['AWS_EXECUTION_ENV'] = 'AWS_Lambda_nodejs22.x'; // Read when the package is imported.
  const { default: packed } = await import('@sparticuz/chromium');
  return chromium.launch({
    executablePath: await packed.executablePath(),
    // Not the package's own arguments: they turn off what a browser holds origins apart with.
    args: ['--no-sandbox', '--no-zygote'],
    env: { ...process.env, LD_LIBRARY_PATH: join(tmpdir(), 'al2023/lib') },
  });
}
