import { expect, test } from 'vitest';
import { choices } from './keep';

test('what counts now is among the choices, in its place', () => {
  const words = (n: number) => (n ? String(n) : 'none');
  expect(choices([1, 5, 0], 5, words)).toEqual([['1', '1'], ['5', '5'], ['0', 'none']]);
  expect(choices([1, 5, 0], 3, words)).toEqual([['1', '1'], ['3', '3'], ['5', '5'], ['0', 'none']]);
});
