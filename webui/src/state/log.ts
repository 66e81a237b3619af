import type { Event } from '../api/types';
import { onEvents } from '../stream/feed';

/** What a page of the event log looks for. */
export interface Filter {
  name: string; // beginning of the name
  text: string; // somewhere in the name or the data, in any case
  device: string; // id; '' means all
}

export function matches(e: Event, f: Filter): boolean {
  if (f.device && e.device !== f.device) return false;
  if (f.name && !e.name.startsWith(f.name)) return false;
  if (!f.text) return true;
  const text = f.text.toLowerCase();
  return e.name.toLowerCase().includes(text) || (e.data !== null && e.data.toLowerCase().includes(text));
}

export const maxEvents = 20_000; // in a log
const maxText = 32 << 20; // characters of names and data in a log

/** The newest events, oldest first. What is too much falls out at the old end. */
export class EventLog {
  items: Event[] = [];
  private text = 0;

  add(list: readonly Event[]): void {
    for (const e of list) {
      this.items.push(e);
      this.text += size(e);
    }
    if (this.items.length > maxEvents * 1.1 || this.text > maxText) this.trim();
  }

  /** Cuts a copy, so that views of the log as it was stay whole. */
  private trim(): void {
    let start = Math.max(0, this.items.length - maxEvents);
    for (let i = 0; i < start; i++) this.text -= size(this.items[i]!);
    while (this.text > maxText * 0.8 && start < this.items.length) this.text -= size(this.items[start++]!);
    this.items = this.items.slice(start);
  }

  view(): View {
    return new View(this.items, this.items.length);
  }
}

function size(e: Event): number {
  return e.name.length + (e.data?.length ?? 0) + 100;
}

/** A log as it was at one moment, newest first. */
export class View {
  constructor(
    private readonly items: readonly Event[],
    readonly length: number,
  ) {}

  at(i: number): Event | undefined {
    return this.items[this.length - 1 - i];
  }

  newest(): Event[] {
    return this.items.slice(0, this.length).reverse();
  }
}

/** All events since the console was opened. */
export const log = new EventLog();

const window = 5; // seconds that the rate is averaged over
const arrivals = new Map<number, number>(); // by the second in which they arrived

/** Events a second, averaged over the last whole seconds. */
export function eventRate(now = Date.now()): number {
  const second = Math.floor(now / 1000);
  let n = 0;
  for (const [at, some] of arrivals) {
    if (at < second - window) arrivals.delete(at);
    else if (at < second) n += some;
  }
  return n / window;
}

onEvents((list) => {
  log.add(list);
  const second = Math.floor(Date.now() / 1000);
  arrivals.set(second, (arrivals.get(second) ?? 0) + list.length);
  if (arrivals.size > 2 * window) eventRate();
});
