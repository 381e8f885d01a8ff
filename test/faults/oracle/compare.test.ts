import { describe, expect, test } from 'vitest';
import { Ledger, type Submission } from '../ledger.ts';
import { SITES } from '../plan.ts';
import { compare, compareDead } from './compare.ts';
import type { Evidence } from './evidence.ts';

const [siteId] = SITES;
const log = (own: string, other: string) => ({
  written: { logId: own, at: 1 },
  taken: { logId: other, at: 1 },
  acknowledged: 1,
  inbox: { pending: [], dead: [] },
  integrity: 'ok',
  events: ['e1', 'e2'],
});

/** One edit, and what a system holds that has done it once. */
function done(): { given: Ledger; evidence: Evidence } {
  const given = new Ledger();
  const edit: Submission = {
    key: 'k',
    action: 'update_config',
    siteId,
    payload: {},
    sent: 1,
    taken: { commandId: 'c', state: 'queued' },
  };
  given.submissions.push(edit);
  given.edits.set(siteId, [edit]);
  const config = { siteId, generation: 1, edit: 'k' };
  const history = ['queued', 'delivered', 'running', 'succeeded'] as const;
  const asked = { id: 'c', type: 'update_config', siteId, state: 'succeeded', seq: 1, key: 'k' } as const;
  return {
    given,
    evidence: {
      edge: { ...log('E', 'V'), commands: [{ ...asked, generation: 1, history }], desired: [config] },
      vps: {
        ...log('V', 'E'),
        commands: [{ id: 'c', seq: 1, logId: 'E', state: 'done', outcome: 'succeeded' }],
        running: [config],
        rows: new Map([['r', 'name']]),
        told: new Map([['c ended', 1]]),
      },
      d1: {
        commands: new Map([['c', 'succeeded']]),
        events: ['e1', 'e2'],
        rows: new Map([['r', 'name']]),
      },
      versions: new Map(),
      carried: new Map(),
      serving: new Map(),
    },
  };
}

const kindsIn = (change: (evidence: Evidence) => Evidence): string[] => {
  const { given, evidence } = done();
  return [...new Set(compare(given, change(evidence)).map(({ kind }) => kind))];
};

test('what was done once on both sides is as it should be', () => {
  expect(kindsIn((it) => it)).toEqual([]);
});

describe('the oracle says', () => {
  test.for<[string, string, (it: Evidence) => Evidence]>([
    ['lost', 'the edge has forgotten a command', (it) => ({ ...it, edge: { ...it.edge, commands: [] } })],
    ['lost', 'the VPS lacks what it acknowledged', (it) => ({ ...it, vps: { ...it.vps, commands: [] } })],
    ['lost', 'an event is not at the edge', (it) => ({ ...it, edge: { ...it.edge, events: ['e2'] } })],
    ['lost', 'an edit made no generation', (it) => ({ ...it, edge: { ...it.edge, desired: [] } })],
    ['twice', 'an event is in D1 twice', (it) => ({ ...it, d1: { ...it.d1, events: ['e1', 'e2', 'e2'] } })],
    [
      'twice',
      'an end was told twice',
      (it) => ({ ...it, vps: { ...it.vps, told: new Map([['c ended', 2]]) } }),
    ],
    [
      'twice',
      'an edit made two generations',
      (it) => ({ ...it, edge: { ...it.edge, desired: [{ siteId, generation: 2, edit: 'k' }] } }),
    ],
    ['order', 'events changed places', (it) => ({ ...it, d1: { ...it.d1, events: ['e2', 'e1'] } })],
    [
      'stuck',
      'an entry waits',
      (it) => ({ ...it, vps: { ...it.vps, inbox: { pending: ['{}'], dead: [] } } }),
    ],
    [
      'stuck',
      'an entry is a dead letter',
      (it) => ({ ...it, edge: { ...it.edge, inbox: { pending: [], dead: ['{}'] } } }),
    ],
    ['stuck', 'a list is behind', (it) => ({ ...it, d1: { ...it.d1, commands: new Map() } })],
    ['stuck', 'a row is behind', (it) => ({ ...it, vps: { ...it.vps, rows: new Map() } })],
    ['damaged', 'SQLite says so', (it) => ({ ...it, vps: { ...it.vps, integrity: 'page 3 …' } })],
  ])('%s when %s', ([kind, , change]) => {
    expect(kindsIn(change)).toContain(kind);
  });

  test('two effects when a command made two versions', () => {
    const kinds = kindsIn((it) => ({
      ...it,
      edge: { ...it.edge, commands: it.edge.commands.map((one) => ({ ...one, type: 'deploy_worker' })) },
      versions: new Map([['c', 2]]),
    }));
    expect(kinds).toContain('two effects');
  });

  test('order when a version lacks the variables of an edit before its deployment, and not when it has them', () => {
    const { given, evidence } = done();
    const deployment = { key: 'd', action: 'deploy_worker', siteId, payload: {}, sent: 1 } as const;
    const taken = { commandId: 'late', state: 'queued' } as const;
    given.submissions.push({ ...deployment, editsBefore: 1, taken });
    const saidOf = (edit: string | null): string[] =>
      compare(given, { ...evidence, carried: new Map([['late', edit]]) })
        .filter(({ kind }) => kind === 'order')
        .map(({ what }) => what);
    expect(saidOf('k')).toEqual([]);
    expect(saidOf(null)).toEqual(['late carries edit null, not k']);
  });

  test('lost when the dead have acknowledged what they have not kept', () => {
    const { edge, vps } = done().evidence;
    const behind = { ...vps, taken: { ...vps.taken, at: 0 } };
    expect(compareDead(new Set(['orchestrator']), edge, vps)).toEqual([]);
    expect(compareDead(new Set(['orchestrator']), edge, behind)).toHaveLength(1);
  });
});
