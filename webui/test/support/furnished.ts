import { owner } from './browser';
import { Board, Cloud, type Transport } from './program';

/** A cloud with an owner, some boards and some events: something to see on every page. */
export interface Furnished {
  cloud: Cloud;
  boards: Board[];
  token: string; // the owner's, for everything
  end(): Promise<void>;
}

const greenhouse = '0a10aced202194944a041c04';
const door = '1c002f000947343432313031';
const pond = 'e00fce6825a3a1bb6a3ae1a9';

const climate = [
  { op: 'function', name: 'led', ret: 1 },
  { op: 'function', name: 'window', ret: 80 },
  { op: 'variable', name: 'temperature', type: 'double', value: 21.4 },
  { op: 'variable', name: 'humidity', type: 'int', value: 58 },
  { op: 'variable', name: 'state', type: 'string', value: 'window open, fan off' },
];
const tinker = ['digitalread', 'digitalwrite', 'analogread', 'analogwrite'].map((name) => ({ op: 'function', name, ret: 1 }));

/** The boards, in the order in which tests find them. */
const plan: ReadonlyArray<readonly [id: string, commands: object[], transport: Transport]> = [
  [greenhouse, climate, 'tcp'],
  [door, tinker, 'tcp'],
  [pond, climate, 'udp'],
];

export async function furnish(host = '127.0.0.1'): Promise<Furnished> {
  const cloud = await Cloud.start(host);
  await cloud.addUser(owner.name, owner.password);
  const token = await cloud.token(owner.name);
  const boards = await Promise.all(plan.map(([id, commands, transport]) => Board.start(cloud, commands, { token, id, transport })));
  await Promise.all(boards.map((b) => b.says('online')));
  return {
    cloud,
    boards,
    token,
    async end() {
      await Promise.all(boards.map((b) => b.end()));
      await cloud.remove();
    },
  };
}

/** Asks the API, as a program with a token does. */
export async function ask(f: Furnished, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(f.cloud.url + path, {
    method,
    headers: { Authorization: `Bearer ${f.token}`, 'Content-Type': 'application/json' },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}
