import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Event } from '../api/types';
import { Connection, deviceEvents, type State } from './connection';

/** A server whose streams are written by hand. */
class FakeServer {
  requests: Headers[] = [];
  streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  status = 200;

  fetch = async (_: string, { headers, signal }: { headers: Record<string, string>; signal: AbortSignal }) => {
    this.requests.push(new Headers(headers));
    if (this.status !== 200) return new Response('{}', { status: this.status });
    const body = new ReadableStream<Uint8Array>({
      start: (c) => {
        this.streams.push(c);
        signal.addEventListener('abort', () => c.error(new DOMException('aborted', 'AbortError')));
      },
    });
    return new Response(body);
  };

  send(text: string): void {
    this.streams.at(-1)!.enqueue(new TextEncoder().encode(text));
  }
}

let server: FakeServer;
let connection: Connection<Event>;
let states: State['kind'][];
let names: string[];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  vi.stubGlobal('fetch', server.fetch);
  states = [];
  names = [];
  connection = new Connection(
    { events: (list) => names.push(...list.map((e) => e.name)), state: (s) => states.push(s.kind) },
    deviceEvents,
  );
});

afterEach(() => {
  connection.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const event = (id: number, name: string) => `event: ${name}\ndata: {"data":"","published_at":"2026-11-21T15:04:05Z","coreid":"001"}\nid: ${id}\n\n`;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('hands events on together', async () => {
  connection.start({});
  await pass(10);
  server.send(event(1, 'a') + event(2, 'b'));
  await pass(20);
  expect(names).toEqual([]);
  await pass(100);
  expect(names).toEqual(['a', 'b']);
  expect(states).toEqual(['connecting', 'live']);
});

test('comes back by itself and says where it broke off', async () => {
  connection.start({});
  await pass(10);
  server.send(event(41, 'a'));
  await pass(200);
  server.streams[0]!.close();
  await pass(2_000);
  expect(server.requests.length).toBe(2);
  expect(server.requests[1]!.get('last-event-id')).toBe('41');
  expect(states).toEqual(['connecting', 'live', 'lost', 'live']);
});

test('takes a line that says nothing for dead', async () => {
  connection.start({});
  await pass(10);
  for (let i = 0; i < 5; i++) {
    server.send('\n');
    await pass(9_000);
  }
  expect(server.requests.length).toBe(1);
  await pass(30_000);
  expect(server.requests.length).toBeGreaterThan(1);
});

test('starts anew after a long break, since what it missed is in the log', async () => {
  connection.start({});
  await pass(10);
  server.send(event(41, 'a'));
  await pass(200);
  server.status = 503;
  server.streams[0]!.close();
  await pass(180_000);
  server.status = 200;
  await pass(20_000);
  expect(server.requests.at(-1)!.get('last-event-id')).toBeNull();
  expect(states.at(-1)).toBe('live');
});

test('gives up when the session is over', async () => {
  server.status = 401;
  connection.start({});
  await pass(60_000);
  expect(server.requests.length).toBe(1);
  expect(states).toEqual(['connecting', 'refused']);
});

test('waits longer and longer, but never long', async () => {
  server.status = 500;
  connection.start({});
  await pass(60_000);
  const n = server.requests.length;
  expect(n).toBeGreaterThan(6);
  expect(n).toBeLessThan(20);
  await pass(60_000);
  expect(server.requests.length - n).toBeGreaterThan(4);
});
