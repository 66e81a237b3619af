// What is known of the lines that boards send: the series of their numbers, and the newest lines themselves.
import { Frames } from '../../stream/sse';
import type { Source } from '../../stream/connection';
import { parse, type Form } from './parse';
import { Series } from './series';
import { root } from './types';

/** One line as the relay hands it on; or, with lost, how many this viewer missed. */
export interface Line {
  id: string;
  channel: string;
  at: number; // ms since 1970, by the cloud's clock
  text: string;
  lost: number;
}

const history = 3_000; // lines that a page sees at once
const kept = 200; // lines that are shown as they are
const most = 16; // series that are drawn
const meter = 3; // seconds over which a rate is taken

/** Reads lines of the channels, of all when there is none. */
export function linesOf(channels: readonly string[]): Source<Line> {
  const query = new URLSearchParams({ history: String(history) });
  if (channels.length) query.set('channels', channels.join(','));
  return {
    path: `${root}/lines?${query}`,
    parser: () => new LineReader(),
    silence: 40_000, // the relay says something every 15 s
    gather: 40,
    maxGap: Infinity, // what the relay still has is drawn where it belongs
  };
}

/** Cuts the relay's stream into lines: CHANNEL, tab, milliseconds, tab, line. */
export class LineReader {
  private frames = new Frames();

  push(piece: string): Line[] {
    return this.frames.push(piece).map(({ id, name, data }) => {
      if (name === 'lost') return { id, channel: '', at: 0, text: '', lost: Number(data) || 0 };
      const a = data.indexOf('\t');
      const b = data.indexOf('\t', a + 1);
      return { id, channel: data.slice(0, a), at: Number(data.slice(a + 1, b)), text: data.slice(b + 1), lost: 0 };
    });
  }
}

/** The lines of some channels, as they come. */
export class Live {
  series: Series[] = [];
  recent: Line[] = []; // the newest first
  received = 0;
  lost = 0;
  hidden = 0; // values beyond the series that are drawn
  newest = 0; // ms since 1970
  version = 0; // grows with every change

  private known = new Map<string, Series>();
  private seconds: Array<{ second: number; lines: number }> = [];
  private heard = 0; // our clock when the newest line came

  constructor(public form: Form) {}

  /** Takes lines in the order in which they came. */
  take(list: readonly Line[]): void {
    let run: Line[] = [];
    for (const line of list) {
      if (line.lost) {
        this.lost += line.lost;
        continue;
      }
      const before = run[0];
      if (before && (before.channel !== line.channel || before.at !== line.at)) {
        this.draw(run);
        run = [];
      }
      run.push(line);
    }
    if (run.length) this.draw(run);
    this.recent = [...list.filter((l) => !l.lost).slice(-kept).reverse(), ...this.recent].slice(0, kept);
    this.version++;
  }

  /** Takes lines that came together. */
  private draw(run: readonly Line[]): void {
    const { channel, at } = run[0]!;
    const values = new Map<string, number[]>();
    for (const { text } of run) {
      for (const [field, value] of parse(text, this.form)) {
        const list = values.get(field);
        if (list) list.push(value);
        else values.set(field, [value]);
      }
    }
    for (const [field, list] of values) this.of(channel, field)?.push(at, list);
    this.received += run.length;
    if (at > this.newest || at < this.newest - 5_000) this.newest = at;
    this.heard = Date.now();
    this.count(at, run.length);
  }

  private of(channel: string, field: string): Series | undefined {
    const key = `${channel}\t${field}`;
    const known = this.known.get(key);
    if (known) return known;
    if (this.series.length >= most) {
      this.hidden++;
      return undefined;
    }
    const made = new Series(channel, field, this.series.length);
    this.known.set(key, made);
    this.series.push(made);
    return made;
  }

  private count(at: number, lines: number): void {
    const second = Math.floor(at / 1000);
    const last = this.seconds.at(-1);
    if (last?.second === second) last.lines += lines;
    else this.seconds.push({ second, lines });
    if (this.seconds.length > meter + 2) this.seconds.shift();
  }

  /** Lines per second, over the last whole seconds. */
  rate(now = Date.now()): number {
    const second = Math.floor((this.newest + (now - this.heard)) / 1000);
    return this.seconds.reduce((sum, s) => (s.second < second && s.second >= second - meter ? sum + s.lines : sum), 0) / meter;
  }

  /** Forgets what was drawn, and reads lines in another way from now on. */
  read(form: Form): void {
    this.form = form;
    this.series = [];
    this.known.clear();
    this.hidden = 0;
    const again = this.recent.toReversed();
    const { received, seconds } = this;
    this.recent = [];
    this.take(again);
    this.received = received;
    this.seconds = seconds;
  }
}
