// What the pages share: whether data comes, how much, what devices are called, and cells for a spreadsheet.
import { Rate, show } from './live.js';

export const by = (id) => document.getElementById(id);

/** Mark says at the top whether data comes or the page is paused, which its button #pause changes. */
export class Mark {
  state = 'waiting';
  paused = false;

  constructor(toggled) {
    this.toggle = () => {
      this.paused = !this.paused;
      by('pause').setAttribute('aria-pressed', String(this.paused));
      this.set(this.state);
      toggled(this.paused);
    };
    by('pause').addEventListener('click', this.toggle);
  }

  set(state) {
    this.state = state;
    show(by('state'), this.paused ? 'paused' : state);
  }
}

/** Tally counts lines and shows them, in #rate, #count and #lost. */
export class Tally {
  #rate = new Rate();
  #received = 0;
  #lost = 0;

  constructor() {
    setInterval(() => this.show(), 250);
  }

  /** line counts one line, which came to the server at that time. */
  line(at) {
    this.#received++;
    this.#rate.add(at);
  }

  miss(n) {
    this.#lost += n;
  }

  clear() {
    this.#received = this.#lost = 0;
  }

  show() {
    by('rate').textContent = `${this.#rate.perSecond().toFixed(1)} lines/s`;
    by('count').textContent = `${this.#received} lines`;
    by('lost').textContent = this.#lost ? `${this.#lost} lost` : 'nothing lost';
  }
}

/** nameOf is how the address of a channel of the list is written: DEVICE or DEVICE/STREAM. */
export const nameOf = (c) => (c.stream ? `${c.device}/${c.stream}` : c.device);

/** Names are what channels are called: the device's name, or as long as that is not known the end of its id. */
export class Names {
  #names = new Map(); // of devices, by id

  learn(channels) {
    this.#names = new Map(channels.map((c) => [c.device, c.name]));
  }

  called(channel) {
    const [device, stream] = channel.split('/');
    const name = this.#names.get(device) || `…${device.slice(-6)}`; // ids of one kind of board begin alike
    return stream ? `${name}/${stream}` : name;
  }
}

/** chosen is which channels the page's own address asks for. */
export const chosen = () => (new URLSearchParams(location.search).get('channels') ?? '').split(',').filter(Boolean);

/** choose puts them there, so that the page can be kept and passed on. */
export function choose(channels) {
  const next = new URL(location.href);
  if (channels.length) next.searchParams.set('channels', channels.join(','));
  else next.searchParams.delete('channels');
  history.replaceState(null, '', next);
}

/** csv makes a file of rows of cells. A spreadsheet takes what begins with = + - @ for a formula, unless it is a number. */
export function csv(rows) {
  const cell = (value) => {
    const text = String(value);
    const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
    return /[",'\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return new Blob([rows.map((row) => row.map(cell).join(',')).join('\r\n'), '\r\n'], { type: 'text/csv' });
}
