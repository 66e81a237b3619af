import { describe, expect, test } from 'vitest';
import type { Event } from '../api/types';
import { EventLog, matches, maxEvents } from './log';

const event = (id: number, more: Partial<Event> = {}): Event => ({ id: String(id), name: 'temp', data: '1', device: '', at: id, ...more });
const many = (from: number, n: number, more: Partial<Event> = {}) => Array.from({ length: n }, (_, i) => event(from + i, more));

describe('EventLog', () => {
  test('shows the newest first', () => {
    const log = new EventLog();
    log.add(many(1, 3));
    expect(log.view().newest().map((e) => e.id)).toEqual(['3', '2', '1']);
    expect(log.view().at(0)?.id).toBe('3');
    expect(log.view().at(3)).toBeUndefined();
  });

  test('a view stays as it was while the log goes on', () => {
    const log = new EventLog();
    log.add(many(1, 100));
    const view = log.view();
    for (let i = 0; i < 10; i++) log.add(many(1_000 + i * maxEvents, maxEvents));
    expect(view.length).toBe(100);
    expect(view.at(0)?.id).toBe('100');
    expect(view.at(99)?.id).toBe('1');
  });

  test('keeps a bounded number of events', () => {
    const log = new EventLog();
    for (let i = 0; i < 100; i++) {
      log.add(many(i * 1_000, 1_000));
      expect(log.items.length).toBeLessThanOrEqual(maxEvents * 1.1);
    }
    expect(log.view().at(0)?.id).toBe('99999');
  });

  test('keeps a bounded amount of text', () => {
    const log = new EventLog();
    const data = 'x'.repeat(16_384);
    for (let i = 0; i < 100; i++) log.add(many(i * 100, 100, { data }));
    expect(log.items.length * data.length).toBeLessThan(34 << 20);
    expect(log.items.length).toBeGreaterThan(500);
  });
});

test('a filter looks at name, text and device', () => {
  const e = event(1, { name: 'Greenhouse/Climate', data: '{"Temp":21}', device: 'aa' });
  const all = { name: '', text: '', device: '' };
  expect(matches(e, all)).toBe(true);
  expect(matches(e, { ...all, name: 'Green' })).toBe(true);
  expect(matches(e, { ...all, name: 'green' })).toBe(false); // as the API has it: case matters
  expect(matches(e, { ...all, text: 'temp' })).toBe(true);
  expect(matches(e, { ...all, text: 'CLIMATE' })).toBe(true);
  expect(matches(e, { ...all, text: 'rain' })).toBe(false);
  expect(matches(e, { ...all, device: 'bb' })).toBe(false);
  expect(matches(event(1, { data: null }), { ...all, text: 'null' })).toBe(false);
});
