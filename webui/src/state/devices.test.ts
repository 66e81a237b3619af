import { afterEach, expect, test, vi } from 'vitest';
import { session } from '../api/session';
import { devices, loadNewcomers } from './devices';

afterEach(() => vi.unstubAllGlobals());

const row = (id: string, online: boolean) => ({ id, online, name: id }) as (typeof devices.value.list)[number];

test('boards that connected since are looked for alone, and put into the list of those that are known', async () => {
  const asked: string[] = [];
  let rows = [row('a', true)];
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path);
    return new Response(JSON.stringify({ devices: rows, meta: { total_pages: 9, total_records: 9_000 }, time: '2026-01-02T03:04:05.678Z' }));
  });
  session.current.set({ kind: 'in', user: 'ann', admin: true, token: '', expires: null });
  devices.set({ list: [row('b', false)], total: 1, loaded: true, error: null });

  const opened = await loadNewcomers('');
  expect(opened).toBe('2026-01-02T03:04:05.678Z');
  expect(devices.value.list).toEqual([row('b', false)]); // the first look asks for the time alone
  await loadNewcomers(opened);
  expect(asked).toEqual(['/v1/localcloud/devices?brief=1&per_page=1', '/v1/localcloud/devices?brief=1&per_page=20&connected_after=2026-01-02T03%3A04%3A05.678Z']);
  expect(devices.value).toMatchObject({ list: [row('a', true), row('b', false)], total: 2 });

  rows = [row('a', false)];
  await loadNewcomers(opened);
  expect(devices.value).toMatchObject({ list: [row('a', false), row('b', false)], total: 2 });
});
