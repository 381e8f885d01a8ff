import { type CommandState, isFinal } from '@clawdbot/protocol';
import type { Ledger } from '../ledger.ts';
import { SITES } from '../plan.ts';
import type { Violation } from '../violation.ts';
import type { EdgeCommand, EdgeSide, Evidence, LogSide, SiteConfig, VpsSide } from './evidence.ts';

/** Compares what was given with what became of it, on both sides and outside. */
export function compare(given: Ledger, evidence: Evidence): Violation[] {
  return [
    ...submitted(given, evidence),
    ...edgeAlone(given, evidence),
    ...carriedOver(evidence),
    ...positions(evidence),
    ...effects(given, evidence),
    ...variables(given, evidence),
    ...configs(given, evidence),
    ...events(evidence),
    ...projected(evidence),
    ...shared(evidence),
    ...intact(evidence),
    ...given.strange,
  ];
}

const isOurs = (siteId: string): boolean => SITES.some((site) => site === siteId);

const violation = (kind: Violation['kind'], what: string): Violation => ({ kind, what });

/** Every submission that was acknowledged has one command, and it has ended. */
function submitted(given: Ledger, { edge, vps }: Evidence): Violation[] {
  const byId = new Map(edge.commands.map((command) => [command.id, command]));
  const byKey = Map.groupBy(edge.commands, ({ key }) => key);
  const onVps = hasIt(vps);
  return given.taken.flatMap(({ key, taken }) => {
    const command = byId.get(taken.commandId);
    if (command === undefined) return violation('lost', `${key}: the edge has no ${taken.commandId}`);
    if ((byKey.get(key)?.length ?? 0) > 1) return violation('twice', `${key} made several commands`);
    if (isFinal(command.state)) return [];
    // The edge was told that the VPS has it.
    const gone = command.seq <= edge.acknowledged && !onVps(command.id);
    return violation(gone ? 'lost' : 'stuck', `${key} (${command.id}) is ${command.state}`);
  });
}

/** No command that nobody was told of; and histories that go forward, to one end. */
function edgeAlone(given: Ledger, { edge }: Evidence): Violation[] {
  const told = new Set(given.taken.map(({ taken }) => taken.commandId));
  const unasked = edge.commands.filter(({ id, siteId }) => isOurs(siteId) && !told.has(id));
  const positions = new Set(edge.commands.map(({ seq }) => seq));
  const shared = edge.commands.length - positions.size;
  return [
    ...(shared === 0 ? [] : [violation('twice', `${shared} commands share a place in the log`)]),
    ...unasked.map(({ id, type }) => violation('twice', `nobody asked for ${id} (${type})`)),
    ...edge.commands
      .filter(({ history, state }) => !isForward(history, state))
      .map(({ id, history, state }) => violation('order', `${id} is ${state} after ${history.join(' → ')}`)),
  ];
}

const STEPS: readonly CommandState[] = ['queued', 'delivered', 'running'];

/** `queued`, what it went through in that order, and at most one end, which is its state. */
function isForward(history: readonly CommandState[], state: CommandState): boolean {
  const ranks = history.map((step) => (isFinal(step) ? STEPS.length : STEPS.indexOf(step)));
  const rises = ranks.every((rank, at) => at === 0 || rank > (ranks[at - 1] ?? -1));
  return history[0] === 'queued' && rises && history.at(-1) === state;
}

/** What left the edge is on the VPS once, in the edge's order, and ended the same way on both sides. */
function carriedOver({ edge, vps }: Evidence): Violation[] {
  const byId = new Map(edge.commands.map((command) => [command.id, command]));
  const places = new Set(vps.commands.map(({ logId, seq }) => `${logId} ${seq}`));
  const backwards = vps.commands.filter(({ seq }, at) => seq < (vps.commands[at - 1]?.seq ?? 0));
  return [
    ...(places.size === vps.commands.length
      ? []
      : [violation('twice', 'an entry made two commands on the VPS')]),
    ...backwards.map(({ id }) =>
      violation('order', `${id} came to the VPS before one that was given earlier`),
    ),
    ...vps.commands.flatMap((command) => {
      const there = byId.get(command.id);
      if (there === undefined) return violation('lost', `the edge does not know ${command.id} of the VPS`);
      if (command.state !== 'done') return violation('stuck', `${command.id} is ${command.state} on the VPS`);
      if (command.outcome === there.state) return [];
      return violation(
        'lost',
        `${command.id} ${command.outcome} on the VPS, and is ${there.state} at the edge`,
      );
    }),
    ...[...vps.told]
      .filter(([, times]) => times > 1)
      .map(([id, times]) => violation('twice', `the VPS said ${times} times: ${id}`)),
    ...missing(edge, vps),
  ];
}

/** One that was withdrawn before it was sent never came over; any other end is the VPS's word. */
function missing(edge: EdgeSide, vps: VpsSide): Violation[] {
  const onVps = hasIt(vps);
  return edge.commands
    .filter(({ id, history }) => history.includes('delivered') && !onVps(id))
    .map(({ id }) => violation('lost', `${id} was acknowledged by the VPS, which does not have it`));
}

/** Whether the VPS has a command, handled or waiting. */
function hasIt({ commands, inbox }: VpsSide): (id: string) => boolean {
  const ids = new Set(commands.map(({ id }) => id));
  const waiting = [...inbox.pending, ...inbox.dead].join();
  return (id) => ids.has(id) || waiting.includes(id);
}

/**
 * Compares while one side is dead, so that its database stands still: what it has acknowledged must be in there.
 * Later it would be sent again, and nobody would see that it was not.
 */
export function compareDead(dead: ReadonlySet<string>, edge: EdgeSide, vps: VpsSide): Violation[] {
  const unkept = (name: string, from: LogSide, to: LogSide): Violation[] =>
    from.written.logId !== to.taken.logId || from.acknowledged <= to.taken.at
      ? []
      : [
          violation(
            'lost',
            `${name}: ${from.acknowledged} entries are acknowledged, ${to.taken.at} were kept`,
          ),
        ];
  return [
    ...(dead.has('orchestrator') ? [...unkept('edge → VPS', edge, vps), ...missing(edge, vps)] : []),
    ...(dead.has('edge') ? unkept('VPS → edge', vps, edge) : []),
  ];
}

/** Each side has taken all that the other has written, and handled it. */
function positions({ edge, vps }: Evidence): Violation[] {
  const between = (name: string, from: LogSide, to: LogSide): Violation[] => {
    const { written } = from;
    const { taken } = to;
    if (written.logId !== taken.logId)
      return [violation('order', `${name}: ${taken.logId} is followed, not ${written.logId}`)];
    if (taken.at > written.at)
      return [violation('lost', `${name}: ${taken.at} taken of ${written.at} written`)];
    return taken.at < written.at ? [violation('stuck', `${name}: ${taken.at} taken of ${written.at}`)] : [];
  };
  const waiting = (name: string, { inbox }: LogSide): Violation[] => [
    ...(inbox.pending.length === 0
      ? []
      : [violation('stuck', `${inbox.pending.length} entries wait: ${name}`)]),
    ...inbox.dead.map((body) => violation('stuck', `a dead letter on the ${name}: ${body}`)),
  ];
  return [
    ...between('edge → VPS', edge, vps),
    ...between('VPS → edge', vps, edge),
    ...waiting('edge', edge),
    ...waiting('VPS', vps),
  ];
}

/** A deployment that succeeded made one version; any other at most one. */
function effects(given: Ledger, { edge, versions, serving }: Evidence): Violation[] {
  const deploys = edge.commands.filter(({ type }) => type === 'deploy_worker');
  const counted = deploys.flatMap(({ id, state }) => {
    const made = versions.get(id) ?? 0;
    if (made > 1) return violation('two effects', `${id} made ${made} versions`);
    return state === 'succeeded' && made === 0 ? violation('lost', `${id} succeeded without a version`) : [];
  });
  const names = new Map(given.taken.map(({ taken, name }) => [taken.commandId, name]));
  const byName = Map.groupBy(deploys, ({ id }) => names.get(id));
  return [...counted, ...[...byName].flatMap(([name, all]) => served(name, all, serving))];
}

/** The last deployment that succeeded serves, or one behind it that failed, or was stopped, a moment too late. */
function served(
  name: string | undefined,
  deploys: readonly EdgeCommand[],
  serving: ReadonlyMap<string, string>,
): Violation[] {
  const last = deploys.findLastIndex(({ state }) => state === 'succeeded');
  if (name === undefined || last < 0) return [];
  const allowed = deploys.slice(last).map(({ id }) => id);
  const id = serving.get(name) ?? 'nothing';
  return allowed.includes(id) ? [] : [violation('order', `${name} serves ${id}, not ${allowed[0]}`)];
}

/** A version has the variables of the last edit before its deployment, or of a newer one. */
function variables(given: Ledger, { carried }: Evidence): Violation[] {
  return given.taken.flatMap(({ siteId, editsBefore = 0, taken: { commandId } }) => {
    const has = carried.get(commandId);
    if (has === undefined) return []; // It made no version.
    const edits = (given.edits.get(siteId) ?? []).map(({ key }) => key);
    if (edits.indexOf(has ?? '') >= editsBefore - 1) return [];
    return violation('order', `${commandId} carries edit ${has}, not ${edits[editsBefore - 1]}`);
  });
}

/** Each edit made one generation; the last one is desired, and runs. */
function configs(given: Ledger, { edge, vps }: Evidence): Violation[] {
  const of = (all: readonly SiteConfig[], siteId: string) => all.find((one) => one.siteId === siteId);
  return [...given.edits].flatMap(([siteId, edits]) => {
    const desired = of(edge.desired, siteId);
    const running = of(vps.running, siteId);
    const last = edits.at(-1);
    if (desired === undefined || desired.generation < edits.length)
      return violation('lost', `${siteId}: ${edits.length} edits, generation ${desired?.generation}`);
    if (desired.generation > edits.length)
      return violation('twice', `${siteId}: ${edits.length} edits, generation ${desired.generation}`);
    if (desired.edit !== last?.key)
      return violation('order', `${siteId}: ${desired.edit} is desired, not ${last?.key}`);
    if (running?.generation === desired.generation && running.edit === desired.edit) return [];
    return violation('stuck', `${siteId}: ${desired.generation} is desired, ${running?.generation} runs`);
  });
}

/** What happened on the VPS is at the edge and in D1, once and in its order. */
function events({ edge, vps, d1 }: Evidence): Violation[] {
  const alike = (name: string, there: readonly string[]): Violation[] => {
    const known = new Set(there);
    const lost = vps.events.filter((id) => !known.has(id));
    if (lost.length > 0)
      return [violation('lost', `${lost.length} events are not ${name}, ${lost[0]} first`)];
    if (there.length !== vps.events.length)
      return [violation('twice', `${there.length} events ${name}, ${vps.events.length} on the VPS`)];
    const at = vps.events.findIndex((id, index) => id !== there[index]);
    return at < 0 ? [] : [violation('order', `event ${at} ${name} is ${there[at]}, not ${vps.events[at]}`)];
  };
  return [...alike('at the edge', edge.events), ...alike('in D1', d1.events)];
}

/** The lists show what is. */
const projected = ({ edge, d1 }: Evidence): Violation[] =>
  edge.commands
    .filter(({ id, state }) => d1.commands.get(id) !== state)
    .map(({ id, state }) => violation('stuck', `${id} is ${state}, and ${d1.commands.get(id)} in D1`));

/** The VPS has the existing API's rows as they are. */
const shared = ({ vps, d1 }: Evidence): Violation[] =>
  [...d1.rows]
    .filter(([id, name]) => vps.rows.get(id) !== name)
    .map(([id, name]) => violation('stuck', `customer ${id} is ${name}, and ${vps.rows.get(id)} on the VPS`));

const intact = ({ edge, vps }: Evidence): Violation[] =>
  Object.entries({ edge, vps })
    .filter(([, { integrity }]) => integrity !== 'ok')
    .map(([name, { integrity }]) => violation('damaged', `${name}: ${integrity}`));
