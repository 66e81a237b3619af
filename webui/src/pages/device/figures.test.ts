import { describe, expect, test } from 'vitest';
import { feelingRows, flatten, kept, networkRows, remember, type Vitals } from './figures';

const figures = flatten({
  system: { uptime: 7_200, memory: { used: 30_000, total: 120_000 } },
  network: { signal: { at: 1, quality: 70.4, qualityv: -87, strength: 96, strengthv: -52 } },
  cloud: { coap: { round_trip: 0, transmit: 120, retransmit: 3 }, connection: { disconnects: 0, attempts: 1 } },
  power: { source: 5 },
});

describe('figures of a board', () => {
  test('are rows in words, in their order', () => {
    expect(feelingRows(figures).map((r) => `${r.what}: ${r.text}`)).toEqual([
      'Running for: 2 h',
      'Memory in use: 30 kB of 120 kB',
      'Power from: battery',
      'Messages sent again: 3 of 120',
      'Lost the cloud: never',
    ]);
    expect(networkRows(figures).map((r) => `${r.what}: ${r.text}`)).toEqual([
      'Connected by: Wi-Fi',
      'Hears its network: 70 % (-87 dB)',
      'Signal: 96 %, -52 dBm',
      'Way to the cloud and back: under 1 ms',
      'Tried to connect: once',
    ]);
  });

  test('curves show what can be compared', () => {
    expect(feelingRows(figures).find((r) => r.term === 'memory')?.value).toBe(25);
    expect(networkRows(figures).find((r) => r.term === 'signal strength')?.value).toBe(-52);
  });

  test('a board that tells nothing has no rows', () => {
    expect(feelingRows(flatten(undefined))).toEqual([]);
    expect(networkRows(flatten({ odd: { deep: {} } }))).toEqual([]);
  });
});

test('moments are kept in order, each once, and not for ever', () => {
  const at = (s: number): Vitals => ({ updated_at: new Date(s * 1_000).toISOString(), payload: {} });
  expect(remember([at(1), at(3)], [at(2), at(3)]).map((v) => Date.parse(v.updated_at))).toEqual([1_000, 2_000, 3_000]);
  expect(remember(Array.from({ length: 100 }, (_, i) => at(i)), [])).toHaveLength(kept);
});
