import { type Command, isFinal, type Presence } from '@clawdbot/protocol';
import type { Edge } from './edge.ts';
import { CliError, type Io } from './io.ts';

const POLL_MS = 250;
/** A deployment that meets Cloudflare's rate limit waits five minutes by itself. */
const WAIT_MS_MAX = 10 * 60_000;

/** An orchestrator that is there takes a command within a second: past this it is worth a word why nothing moves. */
const QUEUED_MS = 2_000;

interface Step {
  readonly at: number;
  readonly text: string;
}

/** What a command went through, by time; its end is last, whichever milestone is of the same millisecond. */
export function stepsOf({ history, milestones }: Pick<Command, 'history' | 'milestones'>): Step[] {
  const states = history.map(({ at, state, reason }) => ({
    at,
    text: reason === undefined ? state : `${state}: ${reason}`,
    last: isFinal(state),
  }));
  const told = milestones.map(({ at, milestone, detail }) => ({
    at,
    text: detail === undefined ? milestone : `${milestone} (${detail})`,
    last: false,
  }));
  return [...states, ...told].sort((a, b) => Number(a.last) - Number(b.last) || a.at - b.at);
}

/** Waits until a command has ended, with a line for each step. Throws `CliError` unless it succeeded. */
export async function outcomeOf(commandId: string, edge: Edge, io: Io): Promise<Command> {
  const begun = io.now();
  const deadline = begun + WAIT_MS_MAX;
  let explained = false;
  const shown = new Set<string>();
  while (io.now() < deadline) {
    const command = await edge.command(commandId);
    for (const { at, text } of stepsOf(command)) {
      const key = `${at} ${text}`;
      if (!shown.has(key)) io.err(`${new Date(at).toISOString().slice(11, 19)} ${text}`);
      shown.add(key);
    }
    if (isFinal(command.state)) return succeeded(command);
    if (!explained && command.state === 'queued' && io.now() - begun >= QUEUED_MS) {
      explained = true;
      io.err(await whyQueued(command, edge));
    }
    await io.wait(POLL_MS);
  }
  throw new CliError(`${commandId} has not ended yet: look again with "clawctl commands ${commandId}"`);
}

/** Why nothing happens, as far as the edge knows, and what Ctrl-C does. */
async function whyQueued({ id, orchestratorId }: Command, edge: Edge): Promise<string> {
  const presence = await edge.orchestrator(orchestratorId).then(
    (known) => known.presence,
    () => undefined,
  );
  return `waiting: ${standing(presence)}; Ctrl-C leaves the command queued, "clawctl commands cancel ${id}" withdraws it`;
}

function standing(presence: Presence | undefined): string {
  if (presence === undefined || presence.state === 'online')
    return 'the orchestrator has not taken the command yet';
  const state = presence.state === 'never' ? 'has never connected' : `is ${presence.state}`;
  return `the orchestrator ${state}${presence.reason === undefined ? '' : ` (${presence.reason})`}`;
}

function succeeded(command: Command): Command {
  if (command.state === 'succeeded') return command;
  const reason = command.history.at(-1)?.reason;
  const why = command.error === undefined ? reason : `${command.error.message} (${command.error.code})`;
  const sentence = `${command.type} ${command.state}${why === undefined ? '' : `: ${why}`}`;
  throw new CliError(command.error?.code === 'config_refused' ? sentence + wayOut(command) : sentence);
}

/** The next merge patch is laid over the refused config, and would be refused with it. */
const wayOut = ({ siteId }: Command): string =>
  `. The desired config still has it ("clawctl config get ${siteId}" shows it), and what ran before runs on: set that member right, put the whole in with --replace, or go back with "clawctl config rollback ${siteId} <generation>"`;
