import { describe, expect, test } from 'vitest';
import { asError, explain } from './api/client';
import { ago, browserName, bytes, span, timeOf } from './format';
import { commands, connectCommand } from './pages/connect';
import { csv, jsonLines } from './pages/events/export';
import { idAt } from './pages/events/history';
import { formatPolicy, parsePolicy } from './policy';
import { match } from './router';
import { structured } from './ui/json';
import { sparkPath } from './ui/spark';

describe('a path of the console', () => {
  test('fits its pattern and gives its parts', () => {
    expect(match('devices/:id', 'devices/my%20board')).toEqual({ id: 'my board' });
    expect(match('devices', 'devices')).toEqual({});
    expect(match('devices', 'devices/1')).toBeNull();
    expect(match('devices/:id', 'events/1')).toBeNull();
  });

  test('that is not encoded properly fits nothing', () => {
    expect(match('devices/:id', 'devices/%E0%A4%A')).toBeNull();
  });
});

describe('an error of the cloud', () => {
  test('says what happened and what next', () => {
    const e = explain(403, { error: 'Permission Denied', info: "I didn't recognize that device name or ID" });
    expect(e.what).toBe('Permission Denied.');
    expect(e.next).toBe("I didn't recognize that device name or ID.");
  });

  test('of every kind has words', () => {
    for (const status of [400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 507]) {
      const e = explain(status, {});
      expect(e.what, String(status)).toMatch(/^[A-Z].*\.$/);
    }
  });

  test('prefers the description that is for people', () => {
    expect(explain(400, { error: 'invalid_grant', error_description: 'User credentials are invalid' }).what).toBe('User credentials are invalid.');
  });

  test('and a cloud that is not there is told apart', () => {
    expect(asError(new TypeError('Failed to fetch')).status).toBe(0);
    expect(asError(new TypeError('Failed to fetch')).next).not.toBe('');
  });
});

describe('a rate limit', () => {
  test.each(['off', 'warn', 'particle', '2/s:10 reject', '0.5/s:1 drop', '1e-05/s:1 warn'])('%s goes through the form unchanged', (text) => {
    const again = formatPolicy(parsePolicy(text));
    expect(parsePolicy(again!)).toEqual(parsePolicy(text));
  });

  test.each([[0, 1], [-1, 1], [Number.NaN, 1], [1, 0], [1, 1.5], [2e6, 1]])('of %d a second, %d at once is none', (rate, burst) => {
    expect(formatPolicy({ preset: 'own', rate, burst, action: 'drop' })).toBeNull();
  });
});

describe('an export', () => {
  const e = { id: '1', name: '=cmd()', data: 'a "b"\nc', device: 'd', at: Date.parse('2026-01-02T03:04:05.678Z') };

  test('as a table holds no formula and keeps its columns', () => {
    expect(csv([e])).toBe('published_at,coreid,name,data,id\r\n2026-01-02T03:04:05.678Z,d,\'=cmd(),"a ""b""\nc",1\r\n');
    expect(csv([{ ...e, name: 'n', data: '-12.5' }])).toContain(',n,-12.5,1');
    expect(csv([{ ...e, name: 'n', data: '-1+cmd' }])).toContain(",n,'-1+cmd,1");
  });

  test('as JSON lines can be read again', () => {
    const lines = jsonLines([e, { ...e, data: null }]).trimEnd().split('\n').map((l) => JSON.parse(l) as object);
    expect(lines).toEqual([
      { id: '1', published_at: '2026-01-02T03:04:05.678Z', coreid: 'd', name: '=cmd()', data: 'a "b"\nc' },
      { id: '1', published_at: '2026-01-02T03:04:05.678Z', coreid: 'd', name: '=cmd()', data: null },
    ]);
  });
});

test('times are told in words', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  const before = (s: number) => ago(now - s * 1000, now);
  expect([before(1), before(12), before(90), before(7200), before(86_400), before(3 * 86_400)]).toEqual(['just now', '12 s ago', '1 min ago', '2 h ago', 'yesterday', '3 days ago']);
  expect(ago(null)).toBe('never');
  expect(ago(now + 60_000, now)).toBe('just now'); // the clocks differ
  expect([span(59), span(3_700), span(86_400), span(200_000)]).toEqual(['59 s', '1 h', '1 day', '2 days']);
  expect(timeOf(Date.parse('2026-11-21T12:00:00.007Z'))).toMatch(/^\d\d:\d\d:\d\d\.007$/);
});

test('sizes are told in words', () => {
  expect([bytes(0), bytes(999), bytes(1_200), bytes(45_000_000)]).toEqual(['0 B', '999 B', '1.2 kB', '45 MB']);
});

test('a moment becomes the smallest id that an event can have then', () => {
  expect(idAt(1_795_280_645_678)).toBe('1795280645678000');
  expect(idAt(-5)).toBe('0000');
});

test('a curve stays in its box, whatever the values are', () => {
  for (const values of [[1, 2, 3], [5, 5], [-1e300, 1e300], [0, -3, 8]]) {
    const numbers = [...sparkPath(values, 120, 34).matchAll(/-?[\d.]+/g)].map(Number);
    expect(numbers.length).toBe(values.length * 2);
    for (const [i, n] of numbers.entries()) expect(n >= 0 && n <= (i % 2 ? 34 : 120), `${values}: ${n}`).toBe(true);
  }
  expect(sparkPath([1], 120, 34)).toBe('');
});

test('only objects and lists are folded', () => {
  expect(structured(' {"a":[1]}')).toEqual({ a: [1] });
  expect(structured('12')).toBeUndefined();
  expect(structured('{broken')).toBeUndefined();
});

test('the commands for a board name the address and the port', () => {
  expect(connectCommand('10.0.0.2')).toBe('localcloud device connect --host 10.0.0.2');
  expect(commands('http://10.0.0.2:8080', '10.0.0.2', 'tcp', '5683')).toBe(
    'curl -o server.pem "http://10.0.0.2:8080/v1/server/key"\nparticle keys server server.pem --host 10.0.0.2 --port 5683',
  );
  expect(commands('http://c', 'c', 'udp', '5684')).toBe(
    'curl -o server.pem "http://c/v1/server/key?udp=true"\nparticle keys server server.pem --protocol udp --host c --port 5684',
  );
});

test.each([
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36', 'Chrome, Linux'],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0', 'Edge, Windows'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1', 'Safari, iPhone'],
  ['Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0', 'Firefox, Android'],
  ['curl/8.5.0', ''],
  ['<b>Firefox/</b>', 'Firefox'],
])('the browser %s is called %j', (agent, name) => {
  expect(browserName(agent)).toBe(name);
});
