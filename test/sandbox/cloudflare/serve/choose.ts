import type { Deployment } from '../store/records.ts';

/**
 * `Cloudflare-Workers-Version-Overrides: <script>="<version id>", …`, a structured-field dictionary:
 * developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments.
 */
export const OVERRIDES_HEADER = 'cloudflare-workers-version-overrides';

function overrideFor(script: string, header: string | undefined): string | undefined {
  for (const member of header?.split(',') ?? []) {
    const [, name, version] = /^\s*([^\s=]+)\s*=\s*"([^"]*)"\s*$/.exec(member) ?? [];
    if (name === script) return version;
  }
  return undefined;
}

/**
 * The version that serves one request: the one asked for, if the deployment has it; else by percentage.
 * `random` is in [0, 1).
 */
export function chooseVersion(
  deployment: Deployment,
  script: string,
  overrides: string | undefined,
  random: () => number,
): string {
  const wanted = overrideFor(script, overrides);
  if (deployment.versions.some(({ versionId }) => versionId === wanted) && wanted) return wanted;
  let left = random() * 100;
  for (const { versionId, percentage } of deployment.versions) {
    left -= percentage;
    if (left < 0) return versionId;
  }
  // Percentages are sums of decimals: what rounding leaves over belongs to the last one.
  return deployment.versions.at(-1)?.versionId ?? '';
}
