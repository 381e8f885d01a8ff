import { type Config, ConfigError, readConfig } from '../../config.ts';
import { asJson, CliError, type Io } from '../io.ts';
import { environmentOf, findSandbox } from '../settings.ts';
import { examine, type Finding } from './check.ts';
import { edgeChecks } from './edge.ts';
import { cloudflareCheck, machineChecks } from './machine.ts';

const ENVIRONMENT = 'environment';

const line = ({ name, state, detail }: Finding): string => `${state.padEnd(8)}${name.padEnd(12)}${detail}`;

function readEnvironment(io: Io): { config: Config } | { finding: Finding } {
  try {
    return { config: readConfig(environmentOf(io.env, findSandbox(io.cwd))) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { finding: { name: ENVIRONMENT, state: 'not ok', detail: error.message } };
  }
}

/** Looks at everything that an orchestrator on this machine needs. Throws `CliError` when something is not ok. */
export async function doctor(io: Io, json: boolean): Promise<void> {
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (!json) io.out(line(finding));
  };
  const read = readEnvironment(io);
  if ('finding' in read) tell(read.finding);
  else {
    const { config } = read;
    tell({ name: ENVIRONMENT, state: 'ok', detail: `${config.orchestratorId} at ${config.edgeUrl}` });
    await examine(
      [...machineChecks(config, io), cloudflareCheck(config, io), ...edgeChecks(config, io)],
      tell,
    );
  }
  if (json) io.out(asJson(findings));
  const bad = findings.filter(({ state }) => state === 'not ok');
  if (bad.length > 0) throw new CliError(`not ok: ${bad.map(({ name }) => name).join(', ')}`);
}
