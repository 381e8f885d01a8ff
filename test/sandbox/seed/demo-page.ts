import { join } from 'node:path';
import { digestOf } from '@clawdbot/protocol';
import { bundle } from '../../../orchestrator/src/cli/bundle/bundle.ts';
import { compatibilityOf, mainOf, readProject } from '../../../orchestrator/src/cli/bundle/project.ts';
import { type TemplateName, templateFolder } from '../../../orchestrator/src/cli/bundle/templates.ts';
import type { Operator } from './demo-site.ts';

interface DemoPage {
  readonly siteId: string;
  readonly edgeUrl: string;
  readonly relayUrl: string;
  readonly upstreamUrl: string;
}

/**
 * Puts a Worker in front of the demo site's server, and the site's tag into its page: both are templates, deployed as an
 * operator would, and again only when they are not the same any more.
 * @returns the page's address
 */
export async function deployDemoPage(operator: Operator, page: DemoPage): Promise<string> {
  const { siteId, edgeUrl, relayUrl, upstreamUrl } = page;
  const deploy = async (template: TemplateName, vars: Record<string, string>): Promise<string> => {
    const folder = templateFolder(template);
    const { config } = readProject(folder);
    const worker = await bundle(join(folder, mainOf(folder, config.main)));
    const payload = { name: `${siteId}-${template}`, ...worker, ...compatibilityOf(config), vars };
    return operator.deploy(siteId, payload, `demo-page-${digestOf(payload).slice(0, 32)}`);
  };
  const tagUrl = await deploy('site-tag', { SITE_ID: siteId, EDGE_URL: edgeUrl, RELAY_URL: relayUrl });
  return deploy('proxy', { UPSTREAM_URL: upstreamUrl, TAG_URL: tagUrl });
}
