import { type Command, isFinal } from '@clawdbot/protocol';
import type { Edge } from './edge.ts';
import { CliError, type Io } from './io.ts';

const POLL_MS = 250;
/** A deployment that meets Cloudflare's rate limit waits five minutes by itself. */
const WAIT_MS_MAX = 10 * 60_000;

interface Step {
  readonly at: number;
  readonly text: string;
}

const steps = ({ history, milestones }: Command): Step[] =>
  [
    ...history.map(({ at, state, reason }) => ({
      at,
      text: reason === undefined ? state : `${state}: ${reason}`,
    })),
    ...milestones.map(({ at, milestone, detail }) => ({
      at,
      text: detail === undefined ? milestone : `${milestone} (${detail})`,
    })),
  ].sort((a, b) => a.at - b.at);

/** Waits until a command has ended, with a line for each step. Throws `CliError` unless it succeeded. */
export async function outcomeOf(commandId: string, edge: Edge, io: Io): Promise<Command> {
  const deadline = io.now() + WAIT_MS_MAX;
  const shown = new Set<string>();
  while (io.now() < deadline) {
    const command = await edge.command(commandId);
    for (const { at, text } of steps(command)) {
      const key = `${at} ${text}`;
      if (!shown.has(key)) io.err(`${new Date(at).toISOString().slice(11, 19)} ${text}`);
      shown.add(key);
    }
    if (isFinal(command.state)) return succeeded(command);
    await io.wait(POLL_MS);
  }
  throw new CliError(`${commandId} has not ended yet: look again with "clawctl commands ${commandId}"`);
}

function succeeded(command: Command): Command {
  if (command.state === 'succeeded') return command;
  const reason = command.history.at(-1)?.reason;
  const why = command.error === undefined ? reason : `${command.error.message} (${command.error.code})`;
  throw new CliError(`${command.type} ${command.state}${why === undefined ? '' : `: ${why}`}`);
}
