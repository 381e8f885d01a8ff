import { expect, test } from 'vitest';
import { CallBudget } from './budget.ts';

function budgetOf(calls: number) {
  let nowMs = 0;
  const budget = new CallBudget({ calls, windowMs: 1000 }, () => nowMs);
  const at = (ms: number): number => {
    nowMs = ms;
    return budget.take('token');
  };
  return { budget, at };
}

test('calls within the budget go on; the next one is told to wait a whole window', () => {
  const { at } = budgetOf(2);
  expect([at(0), at(10), at(20)]).toEqual([0, 0, 1000]);
});

test('a blocked token stays blocked for the window, then has its whole budget again', () => {
  const { at } = budgetOf(1);
  at(0);
  at(500);
  expect([at(1200), at(1499)]).toEqual([300, 1]);
  expect([at(1500), at(1501)]).toEqual([0, 1000]);
});

test('calls of an earlier window do not count', () => {
  const { at } = budgetOf(1);
  expect([at(0), at(1000)]).toEqual([0, 0]);
});

test('one token does not spend the budget of another', () => {
  const { at, budget } = budgetOf(1);
  at(0);
  expect(budget.take('another')).toBe(0);
});
