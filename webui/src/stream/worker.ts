// The one event stream of a browser. Every tab of the console is a port of this worker.
import type { Event } from '../api/types';
import { Connection, deviceEvents, type Receiver, type State } from './connection';

export type ToWorker = { kind: 'open'; headers: Record<string, string> } | { kind: 'close' } | { kind: 'stop' };
export type FromWorker = { kind: 'events'; list: Event[] } | { kind: 'state'; state: State };

const recentSize = 500; // events that a new tab sees at once

const ports = new Set<MessagePort>();
let recent: Event[] = [];

function tell(message: FromWorker): void {
  for (const port of ports) port.postMessage(message);
}

const receiver: Receiver<Event> = {
  events(list) {
    recent = recent.concat(list).slice(-recentSize);
    tell({ kind: 'events', list });
  },
  state(state) {
    tell({ kind: 'state', state });
  },
};

const connection = new Connection(receiver, deviceEvents);

function heard(port: MessagePort, message: ToWorker): void {
  switch (message.kind) {
    case 'open':
      ports.add(port);
      port.postMessage({ kind: 'state', state: connection.state } satisfies FromWorker);
      if (recent.length) port.postMessage({ kind: 'events', list: recent } satisfies FromWorker);
      connection.start(message.headers);
      break;
    case 'close':
      ports.delete(port);
      if (ports.size === 0) connection.stop();
      break;
    case 'stop': // somebody logged out: nothing of theirs stays
      recent = [];
      connection.stop();
  }
}

self.addEventListener('connect', (e) => {
  const port = (e as MessageEvent).ports[0];
  if (!port) return;
  port.addEventListener('message', (m: MessageEvent<ToWorker>) => heard(port, m.data));
  port.start();
});
