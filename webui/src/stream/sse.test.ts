import { describe, expect, test } from 'vitest';
import { Reader } from './sse';

const frame = (id: number, name: string, data: string | null) =>
  `event: ${name}\ndata: ${JSON.stringify({ data, ttl: 60, published_at: '2026-11-21T15:04:05.678Z', coreid: '0a10aced202194944a041c04' })}\nid: ${id}\n\n`;

describe('Reader', () => {
  test('reads an event', () => {
    expect(new Reader().push(':ok\n\n' + frame(7, 'temp', '21.5'))).toEqual([
      { id: '7', name: 'temp', data: '21.5', device: '0a10aced202194944a041c04', at: Date.parse('2026-11-21T15:04:05.678Z') },
    ]);
  });

  test('does not care where the stream was cut', () => {
    const text = frame(1, 'a', 'x') + '\n' + frame(2, 'b', null) + ':\n' + frame(3, 'c', '');
    const whole = new Reader().push(text);
    expect(whole.map((e) => [e.id, e.name, e.data])).toEqual([['1', 'a', 'x'], ['2', 'b', null], ['3', 'c', '']]);
    for (let size = 1; size < 40; size++) {
      const reader = new Reader();
      const events = [];
      for (let i = 0; i < text.length; i += size) events.push(...reader.push(text.slice(i, i + size)));
      expect(events, `pieces of ${size}`).toEqual(whole);
    }
  });

  test('takes lines that end in CR LF', () => {
    expect(new Reader().push(frame(7, 'temp', '1').replaceAll('\n', '\r\n')).map((e) => e.name)).toEqual(['temp']);
  });

  test('leaves out what is no event', () => {
    expect(new Reader().push('data: not json\n\nevent: only a name\n\n: comment\n\n\n\n')).toEqual([]);
  });

  test('keeps text as it is, markup and all', () => {
    const data = '<img src=x onerror=alert(1)>\u2028\n"\\';
    expect(new Reader().push(frame(1, '</script>', data))[0]).toMatchObject({ name: '</script>', data });
  });
});
