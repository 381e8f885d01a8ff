import type { OrchestratorHealth, SiteConfig } from '@clawdbot/protocol';
import type { Check, SiteNeeds } from './health.ts';

/** The sites' configs, as `Settings` has them. */
interface Configured {
  running(): readonly { readonly siteId: string }[];
  configOf(siteId: string): SiteConfig | undefined;
}

/** The upstreams that each site's running config names. */
export const needsOf = (settings: Configured): SiteNeeds[] =>
  settings.running().map(({ siteId }) => {
    const routes = settings.configOf(siteId)?.routes ?? [];
    return { siteId, origins: [...new Set(routes.map(({ upstream }) => new URL(upstream).origin))] };
  });

/** What every site needs of this machine, as its `/health` has it. A tunnel counts where there is one. */
export function machineChecks({ tunnel, storage }: Pick<OrchestratorHealth, 'tunnel' | 'storage'>): Check[] {
  const stored = { name: 'storage', ok: storage.state === 'ok', ...detailOf(storage) };
  if (tunnel.state === 'not_configured') return [stored];
  return [{ name: 'tunnel', ok: tunnel.state === 'up', ...detailOf(tunnel) }, stored];
}

const detailOf = ({ detail }: { detail?: string | undefined }): Pick<Check, 'detail'> =>
  detail === undefined ? {} : { detail };
