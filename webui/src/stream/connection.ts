import type { Event } from '../api/types';
import { Reader } from './sse';

/** What is known of the stream: does what pages show still hold? */
export type State =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'live' }
  | { kind: 'lost'; since: number } // ms since 1970
  | { kind: 'refused'; status: number };

export interface Receiver<T> {
  events(list: T[]): void;
  state(state: State): void;
}

/** What a connection reads. */
export interface Source<T> {
  path: string;
  parser(): { push(piece: string): T[] };
  silence: number; // ms after which a line that says nothing is dead
  gather: number; // ms within which events are handed on together
  maxGap: number; // ms; after a longer break the stream starts anew
}

/** The events of one's devices. */
export const deviceEvents: Source<Event> = {
  path: '/v1/devices/events',
  parser: () => new Reader(),
  silence: 22_000, // the server says something every 9 s
  gather: 100,
  maxGap: 120_000, // older events are in the log
};

/** One event stream that comes back by itself and then catches up from where it broke off. */
export class Connection<T extends { id: string }> {
  private control: AbortController | null = null;
  private pending: T[] = [];
  private flushing: ReturnType<typeof setTimeout> | undefined;
  private lastID = '';
  private lostSince = 0;
  private known: State = { kind: 'idle' };

  constructor(
    private readonly receiver: Receiver<T>,
    private readonly source: Source<T>,
  ) {}

  get state(): State {
    return this.known;
  }

  start(headers: Record<string, string>): void {
    if (this.control) return;
    this.control = new AbortController();
    void this.run(headers, this.control);
  }

  stop(): void {
    this.control?.abort();
    this.control = null;
    this.lostSince = 0;
    this.say({ kind: 'idle' });
  }

  private say(state: State): void {
    this.known = state;
    this.receiver.state(state);
  }

  private async run(headers: Record<string, string>, control: AbortController): Promise<void> {
    for (let attempt = 0; !control.signal.aborted; attempt++) {
      if (!this.lostSince) this.say({ kind: 'connecting' });
      const began = Date.now();
      const status = await this.read(headers, control).catch(() => 0);
      if (control.signal.aborted) return;
      if (status === 401 || status === 403) {
        this.control = null;
        return this.say({ kind: 'refused', status });
      }
      if (Date.now() - began > 10_000) attempt = 0;
      this.lostSince ||= Date.now();
      this.say({ kind: 'lost', since: this.lostSince });
      await sleep(Math.min(500 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 2));
    }
  }

  /** Reads one connection to its end. Returns the status of an answer that is no stream. */
  private async read(headers: Record<string, string>, control: AbortController): Promise<number> {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    control.signal.addEventListener('abort', abort);
    let watchdog = setTimeout(abort, this.source.silence);
    try {
      const stale = this.lostSince && Date.now() - this.lostSince > this.source.maxGap;
      const resume: Record<string, string> = this.lastID && !stale ? { 'Last-Event-ID': this.lastID } : {};
      const response = await fetch(this.source.path, {
        headers: { ...headers, ...resume },
        signal: attempt.signal,
        credentials: 'same-origin',
        cache: 'no-store',
      });
      if (!response.ok || !response.body) return response.status;
      this.lostSince = 0;
      this.say({ kind: 'live' });
      const parser = this.source.parser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 0;
        clearTimeout(watchdog);
        watchdog = setTimeout(abort, this.source.silence);
        this.take(parser.push(value));
      }
    } finally {
      clearTimeout(watchdog);
      control.signal.removeEventListener('abort', abort);
    }
  }

  private take(events: T[]): void {
    const last = events.at(-1);
    if (!last) return;
    if (last.id) this.lastID = last.id;
    this.pending.push(...events);
    this.flushing ??= setTimeout(() => {
      this.flushing = undefined;
      const list = this.pending;
      this.pending = [];
      this.receiver.events(list);
    }, this.source.gather);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
