// A stream of the relay that never gives up: server off for an hour, restart, upgrade. What came
// while it was away is asked for by the id of the last line.

const firstPause = 500;
const longPause = 10000;

/**
 * follow opens an event stream and calls back with each line.
 * line(text), lost(count), state('live' | 'waiting'). It returns a function that ends it.
 */
export function follow(url, { line, lost, state }) {
  let source;
  let timer;
  let pause = firstPause;
  let last = '';
  let ended = false;

  function open() {
    const address = new URL(url, location.href);
    if (last) address.searchParams.set('last_event_id', last);
    source = new EventSource(address);
    source.onopen = () => {
      pause = firstPause;
      state('live');
    };
    source.onmessage = (event) => {
      if (event.lastEventId) last = event.lastEventId;
      line(event.data);
    };
    source.addEventListener('lost', (event) => lost(Number(event.data) || 0));
    source.onerror = () => {
      state('waiting');
      // The browser's own pause is 3 s and it gives up for ever after an error status: we are sooner, and never do.
      source.close();
      again();
    };
  }

  function again() {
    clearTimeout(timer);
    if (ended) return;
    timer = setTimeout(open, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 1.6, longPause);
  }

  function hurry() {
    if (!ended && source.readyState === EventSource.CLOSED) {
      pause = firstPause;
      again();
    }
  }
  addEventListener('online', hurry);
  document.addEventListener('visibilitychange', hurry);

  state('waiting');
  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    removeEventListener('online', hurry);
    document.removeEventListener('visibilitychange', hurry);
    source.close();
  };
}

/** status asks for the list of channels; undefined when the server is away. */
export async function status() {
  try {
    const address = new URL('/relay/status.json', location.href);
    address.search = tokenQuery();
    const answer = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(8000) });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

/** tokenQuery passes a read token of the page's own address on; "" without one. */
export function tokenQuery() {
  const token = new URLSearchParams(location.search).get('access_token');
  return token ? new URLSearchParams({ access_token: token }).toString() : '';
}

/** address returns one of the relay's addresses with parameters and the page's token. */
export function address(path, parameters = {}) {
  const url = new URL(path, location.href);
  url.search = tokenQuery();
  for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value);
  return url;
}

/** split takes a tagged line apart: channel, milliseconds, text. */
export function split(tagged) {
  const a = tagged.indexOf('\t');
  const b = tagged.indexOf('\t', a + 1);
  return { channel: tagged.slice(0, a), at: Number(tagged.slice(a + 1, b)), text: tagged.slice(b + 1) };
}

/** Rate counts what came to the server within the last seconds: what a page is given of the past is not new. */
export class Rate {
  #times = []; // of the server, in milliseconds
  #latest = 0;
  #seen = 0; // when the latest came, by our clock
  add(at) {
    this.#times.push(at);
    if (this.#times.length > 20000) this.#times.splice(0, 10000);
    if (at < this.#latest) return;
    this.#latest = at;
    this.#seen = performance.now();
  }
  perSecond() {
    const now = this.#latest + performance.now() - this.#seen;
    let old = 0;
    while (old < this.#times.length && this.#times[old] < now - 3000) old++;
    this.#times.splice(0, old);
    return this.#times.length / 3;
  }
}

/** save lets the browser save a file. */
export function save(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** stamp is the present time for file names. */
export const stamp = () => new Date().toISOString().replace(/[:.]/g, '-').slice(0, 19);

/** show sets the mark that says whether data comes. */
export function show(element, state) {
  const words = { live: 'live', waiting: 'waiting', paused: 'paused' };
  element.dataset.state = state;
  element.textContent = words[state];
}
