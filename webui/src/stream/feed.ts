import type { Event } from '../api/types';
import { session } from '../api/session';
import { Store } from '../store';
import { Connection, deviceEvents, type State } from './connection';
import type { FromWorker, ToWorker } from './worker';
import workerURL from './worker?sharedworker&url';

/** Whether what the pages show is live. */
export const streamState = new Store<State>({ kind: 'idle' });

type Listener = (list: Event[]) => void;

const listeners = new Set<Listener>();

/** Hands every batch of events to listener until the returned function is called. */
export function onEvents(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function receive(list: Event[]): void {
  for (const listener of listeners) listener(list);
}

function receiveState(state: State): void {
  streamState.set(state);
  if (state.kind === 'refused') session.lost();
}

/** Where the events of this tab come from. */
interface Source {
  open(): void;
  close(): void;
  stop(): void;
}

/** Most browsers: one stream for all tabs, in a worker that they share. */
function shared(): Source {
  let port: MessagePort | null = null;
  const send = (message: ToWorker) => port?.postMessage(message);
  return {
    open() {
      port ??= connect();
      send({ kind: 'open', headers: session.headers() });
    },
    close: () => send({ kind: 'close' }),
    stop: () => send({ kind: 'stop' }),
  };

  function connect(): MessagePort {
    const worker = new SharedWorker(trusted(workerURL), { type: 'module', name: 'localcloud' });
    worker.port.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === 'events') receive(data.list);
      else receiveState(data.state);
    });
    worker.port.start();
    return worker.port;
  }
}

/** Browsers without shared workers, which are those of phones: a stream of this tab, while somebody looks at it. */
function own(): Source {
  let wanted = false;
  const connection = new Connection({ events: receive, state: receiveState }, deviceEvents);
  const follow = () => {
    if (wanted && document.visibilityState === 'visible') connection.start(session.headers());
    else connection.stop();
  };
  document.addEventListener('visibilitychange', follow);
  return {
    open() {
      wanted = true;
      follow();
    },
    close() {
      wanted = false;
      follow();
    },
    stop() {
      wanted = false;
      follow();
    },
  };
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Vouches for the one address of a script that the console writes itself. */
function trusted(url: string): string {
  const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
  const policy = types?.createPolicy('localcloud', { createScriptURL: (u) => u });
  return policy ? policy.createScriptURL(url) : url;
}

const source: Source = typeof SharedWorker === 'undefined' ? own() : shared();

window.addEventListener('pagehide', () => source.close());
window.addEventListener('pageshow', (e) => {
  if (e.persisted && session.current.value.kind === 'in') source.open();
});

/** Begins to listen, for the user who has logged in. */
export function openFeed(): void {
  source.open();
}

/** Ends the stream of all tabs: somebody logged out. */
export function stopFeed(): void {
  source.stop();
}
