import { expect, test, vi } from 'vitest';
// @ts-expect-error the relay's own pages are plain JavaScript
import { parse, shown } from '../../../relay/pages/assets/parse.js';
// @ts-expect-error
import { follow } from '../../../relay/pages/assets/live.js';
// @ts-expect-error
import { csv, Names } from '../../../relay/pages/assets/page.js';

const base64 = (...bytes: number[]) => btoa(String.fromCharCode(...bytes));

test.each([
  ['1234', 'auto', [['value', 1234]]],
  [' -1.5e3 ', 'auto', [['value', -1500]]],
  ['1,x,3', 'auto', [['column 1', 1], ['column 3', 3]]],
  ['1;2', 'auto', [['column 1', 1], ['column 2', 2]]],
  ['{"a":1,"b":{"c":"2.5","d":true},"e":"x","f":[7]}', 'auto', [['a', 1], ['b.c', 2.5], ['b.d', 1], ['f.0', 7]]],
  ['{"a":1', 'auto', []],
  ['{"__proto__":1,"a":1e999}', 'json', [['__proto__', 1]]],
  ['hello', 'auto', []],
  ['1,2', 'number', []],
  ['7', 'csv', [['column 1', 7]]],
  [base64(0, 200), 'u8', [['value', 0], ['value', 200]]],
  [base64(0xff, 0xff, 0x02, 0x01, 0x07), 'i16', [['value', -1], ['value', 258]]],
  [base64(0, 0, 0xc0, 0x3f, 0, 0, 0xc0, 0x7f), 'f32', [['value', 1.5]]], // the second is not a number
  ['*', 'f32', []],
])('the line %j read as %s', (line, form, want) => expect(parse(line, form)).toEqual(want));

test('what is public is shown with the name and the time that the owner lets out', () => {
  expect(shown('{"data":"7","name":"porch/wind","time":"2026-01-02T03:04:05.000Z"}')).toEqual({ name: 'porch/wind', at: Date.UTC(2026, 0, 2, 3, 4, 5), text: '7' });
  expect(shown('{"wind":7}')).toMatchObject({ name: '', text: '{"wind":7}' }); // a device's own line
  expect(shown('{"data":"7"').text).toBe('{"data":"7"');
});

test('a line gives sixteen numbers at most, and no depth hurts', () => {
  expect(parse(JSON.stringify(Array.from({ length: 100 }, (_, i) => i)))).toHaveLength(16);
  expect(parse('['.repeat(5000) + '1' + ']'.repeat(5000))).toEqual([]);
});

test('cells of a file run nothing in a spreadsheet', async () => {
  const file: Blob = csv([['time', 'line'], [1.5, '=cmd()'], ['-2.5', '@x,"y"']]);
  expect(await file.text()).toBe('time,line\r\n1.5,"\'=cmd()"\r\n-2.5,"\'@x,""y"""\r\n');
});

test('boards without a name are told apart', () => {
  const names = new Names();
  expect(names.called('e00fce68000000000000abcd/imu')).toBe('…00abcd/imu');
  names.learn([{ device: 'e00fce68000000000000abcd', name: 'porch' }]);
  expect(names.called('e00fce68000000000000abcd')).toBe('porch');
});

// Source is an EventSource of a server that is away until up.
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static up = false;
  static opened: Source[] = [];
  readyState = 0;
  onopen?: () => void;
  onerror?: () => void;
  onmessage?: (event: { data: string; lastEventId: string }) => void;

  constructor(readonly url: URL) {
    super();
    Source.opened.push(this);
    setTimeout(() => (Source.up ? this.onopen?.() : this.fail()), 1);
  }

  fail() {
    this.onerror?.();
  }

  close() {
    this.readyState = Source.CLOSED;
  }
}

test('a page comes back when the server was away for an hour, and asks for what it missed', () => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', Source);
  const lines: string[] = [];
  const states: string[] = [];
  Source.up = true;
  const end = follow('/relay/lines', { line: (text: string) => lines.push(text), lost: () => {}, state: (s: string) => states.push(s) });
  vi.advanceTimersByTime(10);
  Source.opened[0]!.onmessage!({ data: '1', lastEventId: 'boot.1' });
  Source.up = false;
  Source.opened[0]!.fail();
  vi.advanceTimersByTime(3600_000);
  expect(states.at(-1)).toBe('waiting');
  expect(Source.opened.length).toBeGreaterThan(3600 / 13);
  expect(Source.opened.length).toBeLessThan(3600 / 7);
  Source.up = true;
  vi.advanceTimersByTime(13_000);
  expect(states.at(-1)).toBe('live');
  expect(Source.opened.at(-1)!.url.searchParams.get('last_event_id')).toBe('boot.1');
  const opened = Source.opened.length;
  end();
  Source.opened.at(-1)!.fail();
  vi.advanceTimersByTime(60_000);
  expect(Source.opened.length).toBe(opened);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
