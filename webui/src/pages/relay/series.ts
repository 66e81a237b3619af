// Samples over time, and what of them can be seen.

const capacity = 60_000; // samples kept of each series
const together = 2_000; // ms: samples that come at once after a shorter pause were taken during it
const backwards = 5_000; // ms by which a clock may be corrected without beginning anew
const gaps = { least: 3_000, times: 8 }; // a pause of so many ms, and so many usual pauses, is not drawn over

/** The newest samples of one value, in order of time (ms since 1970). */
export class Series {
  private times = new Float64Array(1024);
  private values = new Float64Array(1024);
  private head = 0;
  count = 0;
  latest = -Infinity;
  pause = 0; // ms between samples, as a rule

  constructor(
    readonly channel: string,
    readonly field: string, // of the line; empty: the line is the number
    readonly index: number, // among all: its colour
  ) {}

  /** Takes samples that came together at a time. Those of one segment of the network are spread over the time since the last. */
  push(at: number, values: readonly number[]): void {
    if (at < this.latest - backwards) this.clear();
    const since = this.latest;
    const end = Math.max(at, since);
    const step = end - since <= together ? (end - since) / values.length : Math.min(1, 50 / values.length);
    for (const [i, value] of values.entries()) this.add(end - step * (values.length - 1 - i), value);
    if (since > -Infinity) this.pause += ((end - since) / values.length - this.pause) * (this.pause ? 0.05 : 1);
  }

  private add(at: number, value: number): void {
    if (this.count === this.times.length && this.count < capacity) this.grow();
    const i = (this.head + this.count) % this.times.length;
    this.times[i] = this.latest = Math.max(at, this.latest);
    this.values[i] = value;
    if (this.count < this.times.length) this.count++;
    else this.head = (this.head + 1) % this.times.length;
  }

  private grow(): void {
    const size = Math.min(this.times.length * 2, capacity);
    const times = new Float64Array(size);
    const values = new Float64Array(size);
    for (let i = 0; i < this.count; i++) {
      times[i] = this.time(i);
      values[i] = this.value(i);
    }
    Object.assign(this, { times, values, head: 0 });
  }

  clear(): void {
    this.count = this.head = this.pause = 0;
    this.latest = -Infinity;
  }

  /** The time of the i-th oldest sample. */
  time(i: number): number {
    return this.times[(this.head + i) % this.times.length]!;
  }

  value(i: number): number {
    return this.values[(this.head + i) % this.values.length]!;
  }

  /** The first sample that is not before a time; count when there is none. */
  from(at: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last value at a time, or undefined when there was none yet. */
  valueAt(at: number): number | undefined {
    const after = this.from(at);
    const i = after < this.count && this.time(after) === at ? after : after - 1;
    return i < 0 ? undefined : this.value(i);
  }

  /** Whether there is a hole before the i-th sample. */
  gapBefore(i: number): boolean {
    return i > 0 && this.time(i) - this.time(i - 1) > Math.max(gaps.least, gaps.times * this.pause);
  }

  /** What the samples of a while come to; null when there are none. */
  figures(begin: number, end: number): { low: number; high: number; mean: number; count: number } | null {
    let low = Infinity;
    let high = -Infinity;
    let sum = 0;
    let count = 0;
    for (let i = this.from(begin); i < this.count && this.time(i) <= end; i++, count++) {
      const v = this.value(i);
      low = Math.min(low, v);
      high = Math.max(high, v);
      sum += v;
    }
    return count ? { low, high, mean: sum / count, count } : null;
  }
}

/** A row of values: undefined where there is none, null where the line is broken. */
export type Row = Array<number | null | undefined>;

/**
 * Makes what is drawn of a while: two places for each of n columns, into which go
 * the lowest and the highest sample of the column, whichever came first. So a
 * picture costs the same however many samples there are. Columns lie at
 * multiples of their width, so that a picture that moves does not flicker.
 */
export function columns(list: readonly Series[], begin: number, end: number, n: number): { times: number[]; rows: Row[] } {
  const width = (end - begin) / n;
  const first = Math.floor(begin / width) - 1;
  const size = n + 3;
  const times: number[] = [];
  for (let c = 0; c < size; c++) times.push((first + c + 0.25) * width, (first + c + 0.75) * width);
  return { times, rows: list.map((s) => row(s, first, size, width, end)) };
}

/** Stretches a row so that it reaches from 0 to 1. */
export function stretched(row: Row): Row {
  let low = Infinity;
  let high = -Infinity;
  for (const v of row) {
    if (v == null) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const size = high - low;
  return row.map((v) => (v == null ? v : size ? (v - low) / size : 0.5));
}

function row(s: Series, first: number, size: number, width: number, end: number): Row {
  const out: Row = new Array(2 * size).fill(undefined);
  let column = -1;
  let low = 0;
  let high = 0;
  let rising = true; // whether the lowest came first
  const put = () => {
    if (column < 0) return;
    out[2 * column] = rising ? low : high;
    if (low !== high) out[2 * column + 1] = rising ? high : low;
  };
  for (let i = Math.max(0, s.from(first * width) - 1); i < s.count && s.time(i) <= end + width; i++) {
    const v = s.value(i);
    const at = Math.min(size - 1, Math.max(0, Math.floor(s.time(i) / width) - first));
    if (at !== column) {
      put();
      if (s.gapBefore(i) && column >= 0 && at - column > 1) out[2 * (column + 1)] = null;
      column = at;
      low = high = v;
    } else if (v < low) {
      low = v;
      rising = false;
    } else if (v > high) {
      high = v;
      rising = true;
    }
  }
  put();
  return out;
}
