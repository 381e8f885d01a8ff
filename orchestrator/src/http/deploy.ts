import {
  type DeployPayload,
  type DeployResult,
  type DeployWorker,
  deployPayload,
  explain,
  Failure,
  type ModuleSource,
  sha256Of,
  siteId,
} from '@clawdbot/protocol';
import { z } from 'zod';

/** `POST /internal/deploy`, in the existing stack's shape. */
const deployRequest = z.strictObject({
  siteId,
  workerConfig: deployPayload,
  /** Taken since callers send it; a Worker's name says where it belongs. */
  environment: z.string().max(50).optional(),
});

/** Runs a deployment that was given on this machine. Throws `Failure`. */
export type SubmitDeploy = (
  body: Omit<DeployWorker, 'commandId'>,
  /** By SHA-256. */
  modules: ReadonlyMap<string, Uint8Array>,
) => Promise<DeployResult>;

const bytesOf = (source: ModuleSource): Uint8Array =>
  typeof source === 'string' ? new TextEncoder().encode(source) : Buffer.from(source.base64, 'base64');

/** Submits what the body asks for. Throws `Failure('bad_request')` naming what is wrong with it. */
export async function deployLocally(text: string, submit: SubmitDeploy): Promise<DeployResult> {
  const request = deployRequest.safeParse(parse(text));
  if (!request.success) throw new Failure('bad_request', explain(request.error));
  const { workerConfig, siteId: site } = request.data;
  return submitPayload(site, workerConfig, submit);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure('bad_request', 'the body is not JSON');
  }
}

function submitPayload(site: string, payload: DeployPayload, submit: SubmitDeploy): Promise<DeployResult> {
  // Its caller waits for the end, so there is no queue to expire in.
  const { modules: sources, expiresInMs: _, ...fields } = payload;
  const modules = new Map<string, Uint8Array>();
  const refs = Object.entries(sources).map(([path, source]) => {
    const bytes = bytesOf(source);
    const sha256 = sha256Of(bytes);
    modules.set(sha256, bytes);
    return { path, sha256, bytes: bytes.length };
  });
  return submit({ type: 'deploy_worker', siteId: site, ...fields, modules: refs }, modules);
}
