import { describe, expect, it } from 'vitest';
import { eventAt, type OwnParts, withObject } from './object.fixture.ts';

const some = (parts: OwnParts, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => eventAt(parts, from + n));

describe('the events of an object', () => {
  it('are kept in order, each id once', () =>
    withObject((parts) => {
      const { events } = parts;
      events.insertAll(some(parts, 1, 3));
      events.insertAll(some(parts, 2, 4));
      expect(events.last(10).map(({ data }) => data['seq'])).toEqual([1, 2, 3, 4]);
      expect(events.last(2)[0]).toEqual({
        id: eventAt(parts, 3).id,
        orchestratorId: parts.orchestratorId,
        receivedAt: 1_000_000,
        ...eventAt(parts, 3).event,
      });
      expect(events.last(10, events.position)).toEqual([]);
    }));

  it('of a site that never was at this orchestrator are refused, and none beside them is kept', () =>
    withObject((parts) => {
      const { events, sql } = parts;
      const foreign = eventAt(parts, 2);
      const batch = [eventAt(parts, 1), { ...foreign, event: { ...foreign.event, siteId: 'not-ours' } }];
      expect(() => sql.transaction(() => events.insertAll(batch))).toThrow('no site "not-ours" here');
      expect(events.position).toBe(0);
    }));

  it('of a site that was deleted are still taken', () =>
    withObject((parts) => {
      parts.configs.remove('shop');
      parts.events.insertAll([eventAt(parts, 1)]);
      expect(parts.events.last(1)).toHaveLength(1);
    }));
});
