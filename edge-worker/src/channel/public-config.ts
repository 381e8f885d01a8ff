import { canonicalJson, digestOf, type PublicConfig } from '@clawdbot/protocol';
import type { Configs } from './configs.ts';
import type { PublicPart } from './rpc.ts';

interface PublicParts {
  readonly configs: Pick<Configs, 'site' | 'at'>;
  /** The generation that runs on the VPS, and the one that was refused there last. */
  readonly running: (siteId: string) => number | undefined;
  readonly refused: (siteId: string) => number | undefined;
}

/**
 * What everyone may read of a site's config: of the desired generation, and at once, since the VPS has no part in it.
 * Only one that the VPS has refused does not count: it must not decide what customers see.
 */
export class PublicConfigs {
  readonly #parts: PublicParts;

  constructor(parts: PublicParts) {
    this.#parts = parts;
  }

  /** Throws `Failure('not_found')` for a site that is not at this orchestrator. */
  of(siteId: string): PublicPart {
    const members = this.#members(siteId);
    // Canonical, so that a strong ETag made of the digest means these very bytes.
    return { body: canonicalJson(members), digest: digestOf(members) };
  }

  #members(siteId: string): PublicConfig {
    const { configs, running, refused } = this.#parts;
    const { generation, config } = configs.site(siteId);
    if (refused(siteId) !== generation) return config.public ?? {};
    return configs.at(siteId, running(siteId) ?? 0)?.config.public ?? {};
  }
}
