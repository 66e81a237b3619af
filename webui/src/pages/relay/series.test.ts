import { describe, expect, test } from 'vitest';
import { tableOf } from './export';
import { columns, Series, stretched } from './series';
import { brief, first, pan, parseScale, pause, range, zoom } from './view';

function filled(samples: ReadonlyArray<readonly [at: number, value: number]>): Series {
  const s = new Series('a', '', 0);
  for (const [at, value] of samples) s.push(at, [value]);
  return s;
}

const times = (s: Series) => Array.from({ length: s.count }, (_, i) => s.time(i));
const values = (s: Series) => Array.from({ length: s.count }, (_, i) => s.value(i));

describe('a series', () => {
  test('spreads what came at once over the time since it last heard', () => {
    const s = filled([[1000, 1]]);
    s.push(1040, [2, 3, 4, 5]);
    expect(times(s)).toEqual([1000, 1010, 1020, 1030, 1040]);
    s.push(1040, [6, 7]); // in the same millisecond
    expect(times(s).slice(-2)).toEqual([1040, 1040]);
    s.push(60_000, [8, 9]); // after a long pause: just before it came
    expect(times(s).slice(-2)).toEqual([59_999, 60_000]);
    expect(values(s)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('keeps the newest 60,000, in order', () => {
    const s = new Series('a', '', 0);
    for (let at = 0; at < 130_000; at++) s.push(at, [at]);
    expect([s.count, s.time(0), s.value(0), s.time(s.count - 1)]).toEqual([60_000, 70_000, 70_000, 129_999]);
    expect([s.from(0), s.from(70_001), s.from(1e9)]).toEqual([0, 1, 60_000]);
  });

  test('begins anew when the clock was set back', () => {
    const s = filled([[100_000, 1], [100_020, 2], [99_900, 3]]);
    expect(s.count).toBe(3); // a little: time stands still
    s.push(50_000, [4]);
    expect([times(s), values(s)]).toEqual([[50_000], [4]]);
  });

  test('knows the value at a moment, and what a while comes to', () => {
    const s = filled([[1000, 5], [2000, -1], [3000, 2]]);
    expect([s.valueAt(999), s.valueAt(1000), s.valueAt(2500), s.valueAt(9000)]).toEqual([undefined, 5, -1, 2]);
    expect(s.figures(1500, 3000)).toEqual({ low: -1, high: 2, mean: 0.5, count: 2 });
    expect(s.figures(3001, 4000)).toBeNull();
  });
});

describe('a picture', () => {
  test('shows the lowest and the highest of each column, in their order', () => {
    const s = filled([[1000, 5], [1001, 9], [1002, 1], [1010, 3], [1020, 2], [1021, 8]]);
    const { times, rows } = columns([s], 1000, 1050, 5); // columns of 10 ms, one before the first
    expect(times[2]).toBe(1002.5);
    expect(rows[0]!.slice(2, 8)).toEqual([9, 1, 3, undefined, 2, 8]);
    expect(rows[0]!.slice(8).every((v) => v === undefined)).toBe(true);
  });

  test('begins with the line that comes from before it', () => {
    const { rows } = columns([filled([[100, 7], [1020, 1]])], 1000, 1050, 5);
    expect(rows[0]![0]).toBe(7);
  });

  test('is broken where the board was away, and not between slow samples', () => {
    const away = filled([...Array.from({ length: 50 }, (_, i) => [i * 20, 1] as const), [9000, 1]]);
    expect(columns([away], 0, 10_000, 100).rows[0]).toContain(null);
    const slow = filled(Array.from({ length: 5 }, (_, i) => [i * 10_000, 1] as const));
    expect(columns([slow], 0, 60_000, 100).rows[0]).not.toContain(null);
  });

  test('costs the same, however many samples there are', () => {
    const s = new Series('a', '', 0);
    for (let at = 0; at < 60_000; at++) s.push(at, [Math.sin(at)]);
    const { times, rows } = columns([s], 0, 60_000, 300);
    expect([times.length, rows[0]!.length]).toEqual([606, 606]);
    expect(times.every((t, i) => i === 0 || t > times[i - 1]!)).toBe(true);
  });

  test('stretches lines that have little in common', () => {
    expect(stretched([undefined, 2, null, 4, 3])).toEqual([undefined, 0, null, 1, 0.5]);
    expect(stretched([7, 7])).toEqual([0.5, 0.5]);
  });
});

describe('a view', () => {
  test('stops where it is, and goes on with what is new', () => {
    const stopped = pause(first, true, 5000);
    expect(stopped).toEqual({ span: 10_000, end: 5000 });
    expect(pause(stopped, true, 9000)).toBe(stopped);
    expect(pause(stopped, false, 9000)).toEqual(first);
  });

  test('zooms around a place that stays', () => {
    const v = zoom({ span: 1000, end: 5000 }, 0.5, 0.25); // at 4250
    expect(v).toEqual({ span: 500, end: 4625 });
    expect(v.end! - v.span + 0.25 * v.span).toBe(4250);
    expect(zoom(first, 2)).toEqual({ span: 20_000, end: null }); // live stays live
    expect([zoom(first, 1e-9).span, zoom(first, 1e9).span]).toEqual([100, 3_600_000]);
  });

  test('looks back, and not beyond what there is', () => {
    const back = pan({ span: 1000, end: null }, -0.5, 8000);
    expect(back).toEqual({ span: 1000, end: 7500 });
    expect(pan(back, 5, 8000).end).toBe(8000);
    expect(pan({ span: 1000, end: 9000 }, 1, 8000).end).toBe(9000); // the newest went back
  });

  test('leaves room around the values', () => {
    expect(range(0, 100)).toEqual([-8, 108]);
    expect(range(5, 5)).toEqual([4.5, 5.5]);
    expect(range(0, 0)).toEqual([-1, 1]);
    expect(range(null, null)).toEqual([0, 1]);
    expect(range(0, 100, [10, 20])).toEqual([10, 20]);
    expect(range(0, 100, [20, 10])).toEqual([-8, 108]);
  });
});

test('a scale stands in an address', () => {
  expect([null, '', 'own', '-1,2.5', '3,1', 'x,y', '5'].map(parseScale)).toEqual(['auto', 'auto', 'own', [-1, 2.5], 'auto', 'auto', 'auto']);
});

test('numbers are short', () => {
  expect([0, 1 / 3, -12345.678, 1e9, 1e-7, 2048].map(brief)).toEqual(['0', '0.333333', '-12345.7', '1.000e+9', '1.000e-7', '2048']);
});

test('a table has a row for each moment, and no formula in its head', () => {
  const a = filled([[1000, 1], [2000, 2]]);
  const b = filled([[2000, 5], [9000, 6]]);
  const names = new Map([[a, '=cmd()'], [b, 'b']]);
  expect(tableOf([a, b], (s) => names.get(s)!, { span: 5000, end: 3000 }, 9000)).toBe(
    "time,'=cmd(),b\r\n1970-01-01T00:00:01.000Z,1,\r\n1970-01-01T00:00:02.000Z,2,5\r\n",
  );
});
