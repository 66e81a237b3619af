import { expect, test } from 'vitest';
import { roughly, verdict } from './selftest';

test('rounds down to two digits', () => {
  expect([0, 7, 42, 1_987, 12_345].map(roughly)).toEqual([0, 7, 42, 1_900, 12_000]);
});

test('says in plain words what the machine can do', () => {
  const result = { at: '', devices: 20, viewers: 10, connects: 50, events: 9_870, delay_ms: 2, delay99_ms: 8, lost: 0, disk_ms: 3 };
  expect(verdict(result, 0)).toBe('This machine takes about 9,800 events a second: as many boards as that, if each publishes once a second.');
  expect(verdict(result, 400)).toContain('your 400 boards are back in about 8 s');
});
