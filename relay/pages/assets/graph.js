// Lines over time on a canvas: any number of series, zoom, pan, a cursor.

const capacity = 60000; // samples kept of each series
const most = 16; // series; more are not drawn

/** Series is a ring of samples, the oldest first. */
class Series {
  constructor(name, index) {
    this.name = name;
    this.index = index;
    this.times = new Float64Array(1024);
    this.values = new Float64Array(1024);
    this.head = 0;
    this.count = 0;
    this.latest = -Infinity;
  }

  push(at, value) {
    if (this.count === this.times.length && this.count < capacity) this.#grow();
    // What came in one segment has one time: spread it, so that it stays in order.
    if (at <= this.latest) at = this.latest + 0.5;
    this.latest = at;
    const i = (this.head + this.count) % this.times.length;
    this.times[i] = at;
    this.values[i] = value;
    if (this.count < this.times.length) this.count++;
    else this.head = (this.head + 1) % this.times.length;
  }

  #grow() {
    const size = Math.min(this.times.length * 2, capacity);
    const times = new Float64Array(size);
    const values = new Float64Array(size);
    for (let i = 0; i < this.count; i++) {
      times[i] = this.time(i);
      values[i] = this.value(i);
    }
    Object.assign(this, { times, values, head: 0 });
  }

  time(i) {
    return this.times[(this.head + i) % this.times.length];
  }

  value(i) {
    return this.values[(this.head + i) % this.times.length];
  }

  /** from returns the first index whose time is not before at. */
  from(at) {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Graph {
  series = new Map();
  span = 10000; // milliseconds shown
  scale = null; // [low, high], or null: as the samples are
  paused = false;
  dropped = new Set(); // series beyond the most

  #canvas;
  #end = 0; // the right edge, while paused
  #shift = null; // from our clock to the server's
  #cursor = null; // x in pixels
  #asked = false;
  #changed;

  constructor(canvas, changed = () => {}) {
    this.#canvas = canvas;
    this.#changed = changed;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    canvas.addEventListener('wheel', (e) => {
      e.preventDefault();
      this.zoom(e.deltaY > 0 ? 1.25 : 0.8, e.offsetX / canvas.clientWidth);
    }, { passive: false });
    this.#drag();
    canvas.addEventListener('pointerleave', () => this.#point(null));
  }

  #drag() {
    let from = null;
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (e) => {
      if (this.paused) {
        from = { x: e.offsetX, end: this.#end };
        canvas.setPointerCapture(e.pointerId);
      }
      this.#point(e.offsetX);
    });
    canvas.addEventListener('pointermove', (e) => {
      if (from) this.#end = from.end - ((e.offsetX - from.x) / canvas.clientWidth) * this.span;
      this.#point(e.offsetX);
    });
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, () => (from = null));
  }

  #point(x) {
    this.#cursor = x;
    this.draw();
  }

  /** rename gives the series of a device the name that it turned out to have: "from", and "from: field". */
  rename(from, to) {
    if (from === to) return;
    for (const [name, series] of [...this.series]) {
      if (name !== from && !name.startsWith(`${from}: `)) continue;
      this.series.delete(name);
      series.name = to + name.slice(from.length);
      this.series.set(series.name, series);
    }
    this.#changed();
  }

  /** add takes one sample of a series. at is the server's time in milliseconds. */
  add(name, at, value) {
    let series = this.series.get(name);
    if (!series) {
      if (this.series.size >= most) {
        if (this.dropped.size < 1000) this.dropped.add(name);
        return;
      }
      series = new Series(name, this.series.size);
      this.series.set(name, series);
      this.#changed();
    }
    series.push(at, value);
    const shift = series.latest - Date.now();
    this.#shift = this.#shift === null || Math.abs(shift - this.#shift) > 2000 ? shift : Math.max(shift, this.#shift - 0.05);
    this.draw();
  }

  clear() {
    this.series.clear();
    this.dropped.clear();
    this.#changed();
    this.draw();
  }

  pause(on) {
    if (on && !this.paused) this.#end = this.end();
    this.paused = on;
    this.draw();
  }

  /** end is the time at the right edge. */
  end() {
    if (this.paused) return this.#end;
    let latest = 0;
    for (const s of this.series.values()) latest = Math.max(latest, s.latest);
    return latest || Date.now() + (this.#shift ?? 0);
  }

  /** zoom changes how much time is shown; at is where the pointer is, from 0 to 1. */
  zoom(factor, at = 1) {
    const span = Math.min(Math.max(this.span * factor, 100), 3600000);
    if (this.paused) this.#end += (span - this.span) * (1 - at);
    this.span = span;
    this.draw();
    this.#changed();
  }

  /** draw asks for a picture; many in one frame are one. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #paint() {
    const canvas = this.#canvas;
    const density = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const look = getComputedStyle(document.documentElement);
    const colour = (name) => look.getPropertyValue(name).trim();
    const c = canvas.getContext('2d');
    c.setTransform(density, 0, 0, density, 0, 0);
    c.fillStyle = colour('--surface');
    c.fillRect(0, 0, width, height);

    const end = this.end();
    const begin = end - this.span;
    const [low, high] = this.scale ?? this.#range(begin, end);
    const x = (t) => ((t - begin) / this.span) * width;
    const y = (v) => height - ((v - low) / (high - low)) * height;
    this.#grid(c, { width, height, low, high, begin, y, x, colour });

    c.lineWidth = 1.6;
    c.lineJoin = 'round';
    for (const s of this.series.values()) {
      c.strokeStyle = colour(`--s${s.index % 8}`);
      this.#trace(c, s, begin, end, x, y);
    }
    this.#readings(c, { width, height, begin, x, y, colour });
  }

  #range(begin, end) {
    let low = Infinity;
    let high = -Infinity;
    for (const s of this.series.values()) {
      for (let i = s.from(begin); i < s.count && s.time(i) <= end; i++) {
        const v = s.value(i);
        if (v < low) low = v;
        if (v > high) high = v;
      }
    }
    if (low > high) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    return [low - room, high + room];
  }

  #trace(c, s, begin, end, x, y) {
    let i = Math.max(s.from(begin) - 1, 0);
    c.beginPath();
    // More samples than pixels: of each column only the first, the lowest, the highest and the last are drawn.
    let column = -Infinity;
    let first = 0;
    let low = 0;
    let high = 0;
    let last = 0;
    const flush = () => {
      if (column === -Infinity) return;
      c.lineTo(column, y(first));
      if (high === low) return;
      c.lineTo(column, y(low));
      c.lineTo(column, y(high));
      c.lineTo(column, y(last));
    };
    for (; i < s.count && s.time(i) <= end; i++) {
      const at = Math.round(x(s.time(i)) * 2) / 2;
      const v = s.value(i);
      if (at !== column) {
        flush();
        column = at;
        first = low = high = last = v;
      } else {
        last = v;
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
    }
    flush();
    c.stroke();
  }

  #grid(c, { width, height, low, high, begin, x, y, colour }) {
    c.strokeStyle = colour('--line');
    c.fillStyle = colour('--ink-3');
    c.font = '11px ui-sans-serif, system-ui, sans-serif';
    c.lineWidth = 1;
    c.beginPath();
    const texts = [];
    const step = nice((high - low) / Math.max(2, height / 60));
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      c.moveTo(0, Math.round(y(v)) + 0.5);
      c.lineTo(width, Math.round(y(v)) + 0.5);
      texts.push([brief(v, step), 4, y(v) - 4]);
    }
    const seconds = nice(this.span / 1000 / Math.max(2, width / 110));
    for (let t = Math.ceil(begin / 1000 / seconds) * seconds; t * 1000 <= begin + this.span; t += seconds) {
      c.moveTo(Math.round(x(t * 1000)) + 0.5, 0);
      c.lineTo(Math.round(x(t * 1000)) + 0.5, height);
      texts.push([clock(t * 1000, seconds), x(t * 1000) + 4, height - 5]);
    }
    c.stroke();
    for (const [text, tx, ty] of texts) c.fillText(text, tx, ty);
  }

  /** readings draws the cursor and keeps the values under it for the legend. */
  #readings(c, { width, height, begin, x, y, colour }) {
    this.readings = new Map();
    const at = this.#cursor === null ? Infinity : begin + (this.#cursor / width) * this.span;
    for (const s of this.series.values()) {
      if (!s.count) continue;
      const i = Math.min(Math.max(s.from(at), 0), s.count - 1);
      this.readings.set(s.name, { value: s.value(i), at: s.time(i) });
      if (at !== Infinity) {
        c.fillStyle = colour(`--s${s.index % 8}`);
        c.beginPath();
        c.arc(x(s.time(i)), y(s.value(i)), 3.5, 0, 7);
        c.fill();
      }
    }
    if (at !== Infinity) {
      c.strokeStyle = colour('--line-strong');
      c.beginPath();
      c.moveTo(this.#cursor + 0.5, 0);
      c.lineTo(this.#cursor + 0.5, height);
      c.stroke();
    }
  }

  /** rows returns the samples that are shown: time, series, value. */
  rows() {
    const end = this.end();
    const begin = end - this.span;
    const rows = [['time', 'series', 'value']];
    for (const s of this.series.values()) {
      for (let i = s.from(begin); i < s.count && s.time(i) <= end; i++) {
        rows.push([new Date(s.time(i)).toISOString(), s.name, s.value(i)]);
      }
    }
    return rows;
  }

  png() {
    return new Promise((done) => this.#canvas.toBlob(done, 'image/png'));
  }
}

/** nice rounds a step up to 1, 2 or 5 times a power of ten. */
function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step || 1));
  const digit = step / power;
  return (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
}

export function brief(v, step = Math.abs(v) / 1000) {
  if (v !== 0 && (Math.abs(v) >= 1e7 || Math.abs(v) < 1e-4)) return v.toExponential(2);
  const digits = Math.min(Math.max(0, -Math.floor(Math.log10(step || 1))), 6);
  return (Math.round(v / 1e-9) * 1e-9).toFixed(digits);
}

function clock(ms, seconds) {
  const text = new Date(ms).toTimeString().slice(0, 8);
  return seconds < 1 ? `${text}.${String(Math.floor(ms % 1000)).padStart(3, '0')}` : text;
}
