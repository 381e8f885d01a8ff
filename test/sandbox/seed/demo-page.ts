import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '@clawdbot/protocol';
import { z } from 'zod';
import { bundle } from '../../../orchestrator/src/cli/bundle/bundle.ts';
import { mainOf } from '../../../orchestrator/src/cli/bundle/main-module.ts';
import {
  type TemplateName,
  templateCheck,
  templateFolder,
} from '../../../orchestrator/src/cli/bundle/templates.ts';
import { compatibilityOf } from '../../../orchestrator/src/cli/wrangler/deployed.ts';
import { readProject } from '../../../orchestrator/src/cli/wrangler/project.ts';
import type { Operator } from './demo-site.ts';

interface DemoPage {
  readonly siteId: string;
  readonly edgeUrl: string;
  readonly relayUrl: string;
  readonly upstreamUrl: string;
  readonly workersUrl: string;
}

/** By name: the digest of what was deployed last, or where a Worker answers. */
const texts = z.record(z.string(), z.string());

/**
 * Puts a Worker in front of the demo site's server, and the site's tag into its page: both are templates, deployed as an
 * operator would, and again only when they are not what `file` says was deployed last.
 * @returns the page's address
 */
export async function deployDemoPage(operator: Operator, page: DemoPage, file: string): Promise<string> {
  const { siteId, edgeUrl, relayUrl, upstreamUrl } = page;
  const deployed = existsSync(file) ? texts.parse(JSON.parse(readFileSync(file, 'utf8'))) : {};
  const deploy = async (template: TemplateName, vars: Record<string, string>): Promise<string> => {
    const payload = await payloadOf(`${siteId}-${template}`, template, vars);
    const digest = digestOf(payload);
    if (deployed[template] !== digest) await operator.deploy(siteId, payload);
    deployed[template] = digest;
    writeFileSync(file, JSON.stringify(deployed));
    return addressOf(payload.name, page.workersUrl);
  };
  const tagUrl = await deploy('site-tag', { SITE_ID: siteId, EDGE_URL: edgeUrl, RELAY_URL: relayUrl });
  return deploy('proxy', { UPSTREAM_URL: upstreamUrl, TAG_URL: tagUrl });
}

async function payloadOf(name: string, template: TemplateName, vars: Record<string, string>) {
  const folder = templateFolder(template);
  const { config } = readProject(folder, []);
  const worker = await bundle(join(folder, mainOf(folder, config.main)));
  const path = templateCheck(template);
  return {
    name,
    ...worker,
    ...compatibilityOf(config),
    vars,
    ...(path !== undefined && { health: { path } }),
  };
}

/** As the stand-in says now: a port that was taken meanwhile is another one. */
async function addressOf(name: string, workersUrl: string): Promise<string> {
  const url = texts.parse(await (await fetch(workersUrl)).json())[name];
  if (url === undefined) throw new Error(`the Worker ${name} does not answer`);
  return url;
}
