import type { SandboxFile } from './sandbox-file.ts';

/** What a person who typed `npm start` sees once everything answers. */
export const guide = (file: SandboxFile, seconds: string, logs: string): string => `
The sandbox is ready (${seconds} s). All of it is on this machine:

  dashboard      ${file.edgeUrl}/#sign-in=${file.adminToken}
  console        ${file.edgeUrl}            API and channel
  relay          ${file.relayUrl}/s/${file.siteId}/…   customers' requests
  orchestrator   ${file.orchestratorUrl}/health
${file.demoUrl === undefined ? '' : `  demo page      ${file.demoUrl}/?gclid=demo   submit its form, and see ${file.upstreamUrl}/_log\n`}  deployed Workers are listed at ${file.workersUrl}
  the demo site's upstream is ${file.upstreamUrl}

Try, in another terminal:

  curl ${file.relayUrl}/s/${file.siteId}/echo/hello
  npx clawctl status
  npm run sandbox -- stop orchestrator        (then: start orchestrator)

Addresses and tokens: .sandbox/sandbox.json · logs: ${logs} · Ctrl-C stops everything.
`;
