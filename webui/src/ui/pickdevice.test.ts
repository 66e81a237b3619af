import { expect, test } from 'vitest';
import type { DeviceRow } from '../api/types';
import { offer } from './pickdevice';

const row = (id: string, name: string | null) => ({ id, name }) as DeviceRow;

test('offers few devices whose name or id holds what is typed', () => {
  const list = [row('aa01', 'Greenhouse'), row('aa02', null), row('bb03', 'door')];
  expect(offer(list, 'HOUSE').map((d) => d.id)).toEqual(['aa01']);
  expect(offer(list, 'aa').map((d) => d.id)).toEqual(['aa01', 'aa02']);
  expect(offer(list, '', 2)).toHaveLength(2);
  expect(offer(list, 'x')).toEqual([]);
});
