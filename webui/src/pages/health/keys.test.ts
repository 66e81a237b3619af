import { expect, test } from 'vitest';
import { progress } from './keys';

const key = { transport: 'tcp', fingerprint: 'new', old: 'old' } as const;

test('a rotation goes on while boards hold the old key or never came, and then may end', () => {
  expect(progress({ ...key, hold_present: 3, hold_old: 2, hold_unknown: 0 })).toEqual({ done: 3, all: 5, next: 'rekey' });
  expect(progress({ ...key, hold_present: 3, hold_old: 0, hold_unknown: 1 })).toEqual({ done: 3, all: 4, next: 'rekey' });
  expect(progress({ ...key, hold_present: 4, hold_old: 0, hold_unknown: 0 })).toEqual({ done: 4, all: 4, next: 'finish' });
  expect(progress({ ...key, hold_present: 0, hold_old: 0, hold_unknown: 0 })).toEqual({ done: 0, all: 0, next: 'finish' });
});
