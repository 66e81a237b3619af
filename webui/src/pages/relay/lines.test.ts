import { describe, expect, test } from 'vitest';
import { LineReader, linesOf, Live, type Line } from './live';
import { parse } from './parse';
import { toggled } from './types';

describe('a line of a board', () => {
  test.each([
    ['42', [['', 42]]],
    [' -1.5e3 ', [['', -1500]]],
    ['1,-2;3.5', [['1', 1], ['2', -2], ['3', 3.5]]],
    ['1\tx\t3', [['1', 1], ['3', 3]]],
    ['t:21.5, h=40', [['t', 21.5], ['h', 40]]],
    ['speed: 4', [['speed', 4]]],
    ['{"t":21.5,"on":true,"text":"7","none":null,"in":{"x":1}}', [['t', 21.5], ['on', 1], ['text', 7], ['in.x', 1]]],
    ['[1,[2,3]]', [['1', 1], ['2.1', 2], ['2.2', 3]]],
    ['hello', []],
    ['', []],
    ['{broken', []],
    ['1,000 apples', [['1', 1]]],
    ['http://x:80', []],
    ['Infinity', []],
  ])('%s', (text, want) => expect(parse(text, 'auto')).toEqual(want));

  test('is read as somebody says', () => {
    expect(parse('1,2', 'number')).toEqual([]);
    expect(parse('7', 'csv')).toEqual([['1', 7]]);
    expect(parse('7', 'json')).toEqual([['', 7]]);
    const bytes = btoa(String.fromCharCode(1, 0, 0xff, 0xff));
    expect(parse(bytes, 'u8').map(([, v]) => v)).toEqual([1, 0, 255, 255]);
    expect(parse(bytes, 'i16').map(([, v]) => v)).toEqual([1, -1]);
    expect(parse(btoa('\0\0\u0080\u003f'), 'f32')).toEqual([['', 1]]);
    expect(parse('no base64!', 'u8')).toEqual([]);
  });

  test('gives no more values than can be drawn, however deep it is', () => {
    expect(parse(JSON.stringify(Array.from({ length: 1000 }, (_, i) => i)), 'auto').length).toBe(16);
    expect(parse('1,'.repeat(500), 'auto').length).toBe(16);
    expect(parse('['.repeat(5000) + '1' + ']'.repeat(5000), 'auto')).toEqual([]);
  });
});

test('the relay’s stream is cut into lines, wherever the network cuts it', () => {
  const text = ':ok\n\nid: b.1\ndata:aa\t1000\t1,2\n\nevent: lost\ndata: 12\n\nid: b.2\ndata:aa/imu\t1001\tx\ty\n\n:\n\n';
  const want: Line[] = [
    { id: 'b.1', channel: 'aa', at: 1000, text: '1,2', lost: 0 },
    { id: 'b.1', channel: '', at: 0, text: '', lost: 12 },
    { id: 'b.2', channel: 'aa/imu', at: 1001, text: 'x\ty', lost: 0 },
  ];
  for (let cut = 0; cut <= text.length; cut++) {
    const reader = new LineReader();
    expect([...reader.push(text.slice(0, cut)), ...reader.push(text.slice(cut))]).toEqual(want);
  }
});

test('a page asks for its channels, with what was before', () => {
  expect(linesOf([]).path).toBe('/v1/localcloud/relay/lines?history=3000');
  expect(linesOf(['aa', 'bb/imu']).path).toBe('/v1/localcloud/relay/lines?history=3000&channels=aa%2Cbb%2Fimu');
});

describe('what came', () => {
  const line = (channel: string, at: number, text: string, lost = 0): Line => ({ id: `${at}`, channel, at, text, lost });

  test('is sorted by board and value, and what was missed is counted', () => {
    const live = new Live('auto');
    live.take([line('a', 1000, '{"x":1,"y":2}'), line('b', 1000, '5'), line('', 0, '', 7), line('a', 1020, '{"x":3}')]);
    expect(live.series.map((s) => [s.channel, s.field, s.count])).toEqual([['a', 'x', 2], ['a', 'y', 1], ['b', '', 1]]);
    expect([live.received, live.lost, live.newest]).toEqual([3, 7, 1020]);
    expect(live.recent.map((l) => l.text)).toEqual(['{"x":3}', '5', '{"x":1,"y":2}']);
  });

  test('has at most sixteen lines in the graph', () => {
    const live = new Live('auto');
    for (let i = 0; i < 20; i++) live.take([line(`board ${i}`, 1000, '1')]);
    expect([live.series.length, live.hidden]).toEqual([16, 4]);
  });

  test('is read again when somebody says how', () => {
    const live = new Live('number');
    live.take([line('a', 1000, '1,2'), line('a', 1010, '3,4')]);
    expect(live.series).toEqual([]);
    live.read('csv');
    expect(live.series.map((s) => [s.field, s.value(0), s.value(1)])).toEqual([['1', 1, 3], ['2', 2, 4]]);
    expect(live.received).toBe(2);
  });

  test('has a rate, which ends with the lines', () => {
    const live = new Live('auto');
    for (let at = 0; at < 5000; at += 20) live.take([line('a', at, '1')]);
    const now = Date.now();
    expect(live.rate(now + 20)).toBe(50);
    expect(live.rate(now + 10_000)).toBe(0);
  });

  test('stays bounded', () => {
    const live = new Live('auto');
    for (let i = 0; i < 100; i++) live.take(Array.from({ length: 1000 }, (_, k) => line('a', i * 1000 + k, String(k))));
    expect([live.recent.length, live.series[0]!.count, live.received]).toEqual([200, 60_000, 100_000]);
  });
});

test('a replay is seen by itself', () => {
  expect(toggled(['a'], 'b')).toEqual(['a', 'b']);
  expect(toggled(['a', 'b'], 'a')).toEqual(['b']);
  expect(toggled(['a', 'b'], 'a/replay')).toEqual(['a/replay']);
  expect(toggled(['a/replay'], 'b')).toEqual(['b']);
});
