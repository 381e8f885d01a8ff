import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { json, jsonObject } from './json.ts';

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('any JSON', () => {
  it('is whatever JSON.parse gives, and comes out as it went in', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(json.parse(value)).toEqual(value);
      }),
    );
  });

  it.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 1n, Symbol('s'), () => 1, new Date(), new Map()])(
    'is not %s, at any depth',
    (value) => {
      for (const holder of [value, [value], { a: { b: value } }]) {
        expect(json.safeParse(holder).success).toBe(false);
      }
    },
  );

  it('has a bounded depth, so that checking it cannot overflow the stack', () => {
    expect(json.safeParse(nested(100)).success).toBe(true);
    expect(json.safeParse(nested(101)).success).toBe(false);
    expect(json.safeParse(JSON.parse('['.repeat(30_000) + ']'.repeat(30_000))).success).toBe(false);
  });
});

describe('a JSON object', () => {
  it('is no array, no null and no text', () => {
    expect(jsonObject.parse({ a: [1, null] })).toEqual({ a: [1, null] });
    for (const value of [[], null, 'text', 1, undefined, { a: undefined }]) {
      expect(jsonObject.safeParse(value).success).toBe(false);
    }
  });
});
