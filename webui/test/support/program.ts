import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** The program under test: built with the console inside. */
export const binary = resolve(process.env.LOCALCLOUD ?? '../bin/localcloud');

const patience = 20_000; // ms that a program may take to do what is awaited

interface Ready {
  http: string;
  tcp: string;
  udp: string;
  relay: string;
}

/** A cloud that runs as its own process, over a data directory of its own. */
export class Cloud {
  private process: ChildProcess | null = null;
  ready: Ready = { http: '', tcp: '', udp: '', relay: '' };

  private constructor(
    readonly dir: string,
    private readonly host: string,
  ) {}

  /** Starts a new cloud on free ports of an address. */
  static async start(host = '127.0.0.1'): Promise<Cloud> {
    const cloud = new Cloud(await mkdtemp(join(tmpdir(), 'localcloud-console-')), host);
    await cloud.begin();
    return cloud;
  }

  /** Starts a cloud on a data directory that is there. */
  static async over(dir: string, host = '127.0.0.1'): Promise<Cloud> {
    const cloud = new Cloud(dir, host);
    await cloud.begin();
    return cloud;
  }

  get url(): string {
    return `http://${this.ready.http}`;
  }

  /** Starts it, at the addresses that it had before, if any. */
  async begin(): Promise<void> {
    const { http, tcp, udp, relay } = this.ready;
    const free = `${this.host}:0`;
    const args = ['serve', '--data', this.dir, '--http', http || free, '--tcp', tcp || free, '--udp', udp || free, '--relay', relay || free];
    const child = spawn(binary, [...args, '--log-level', 'warn'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    let said = '';
    child.stderr!.on('data', (b: Buffer) => (said += b.toString()));
    this.ready = await within('the cloud to start', new Promise<Ready>((done, failed) => {
      createInterface(child.stdout!).once('line', (line) => done(JSON.parse(line) as Ready));
      child.once('exit', (code) => failed(new Error(`localcloud serve ended with ${code}: ${said}`)));
    }));
  }

  /** Ends it and waits until it has. */
  async end(): Promise<void> {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await within('the cloud to end', ended);
  }

  async remove(): Promise<void> {
    await this.end();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Runs a command of the program beside the cloud. */
  async run(args: string[], input = ''): Promise<string> {
    const promise = promisify(execFile)(binary, [...args, '--data', this.dir], { timeout: patience });
    promise.child.stdin?.on('error', () => undefined); // a command that has ended already reads nothing
    promise.child.stdin?.end(input);
    return (await promise).stdout;
  }

  async setupCode(): Promise<string> {
    const status = JSON.parse(await this.run(['status', '--json'])) as { setup_code: string };
    return status.setup_code;
  }

  async addUser(name: string, password: string, admin = false): Promise<void> {
    await this.run(['user', 'add', name, '--password-stdin', ...(admin ? ['--admin'] : [])], password + '\n');
  }

  async token(user: string, scope?: string): Promise<string> {
    const made = await this.run(['token', 'create', '--user', user, '--json', ...(scope ? ['--scope', scope] : [])]);
    return (JSON.parse(made) as { token: string }).token;
  }
}

/** A line that a virtual board says of itself. */
export interface Said {
  ev: string;
  id?: string;
  name?: string;
  arg?: string;
  data?: string | null;
  on?: boolean;
  error?: string;
}

/** How a board talks to the cloud: Photon, P1 and Core over TCP, the newer ones over UDP. */
export type Transport = 'tcp' | 'udp';

interface BoardOptions {
  transport?: Transport;
  token?: string; // with one, the board is its user's; without, the cloud does not know it
  id?: string;
}

/** A virtual board, controlled line by line. */
export class Board {
  private heard: Said[] = [];
  private waiting: Array<{ fits: (s: Said) => boolean; done: (s: Said) => void }> = [];

  private constructor(
    private readonly process: ChildProcess,
    readonly id: string,
  ) {
    createInterface(process.stdout!).on('line', (line) => {
      const said = JSON.parse(line) as Said;
      const i = this.waiting.findIndex((w) => w.fits(said));
      if (i >= 0) this.waiting.splice(i, 1)[0]!.done(said);
      else this.heard.push(said);
    });
  }

  /** Turns a board on. */
  static async start(cloud: Cloud, commands: object[], { transport = 'tcp', token, id = randomID() }: BoardOptions = {}): Promise<Board> {
    const key = join(cloud.dir, `server-${id}.pem`);
    await writeFile(key, await cloud.run(['keys', 'export', ...(transport === 'udp' ? ['--udp'] : [])]));
    const args = ['virtual', '--stdio', '--id', id, `--${transport}=${cloud.ready[transport]}`, '--server-key', key];
    if (token) args.push('--http', cloud.url, '--token', token);
    const board = new Board(spawn(binary, args, { stdio: ['pipe', 'pipe', 'ignore'] }), id);
    for (const c of commands) board.tell(c);
    return board;
  }

  tell(command: object): void {
    this.process.stdin!.write(JSON.stringify(command) + '\n');
  }

  publish(name: string, data: string): void {
    this.tell({ op: 'publish', name, data, private: true });
  }

  /** Waits for the board to say something. */
  async says(ev: string, more: Partial<Said> = {}): Promise<Said> {
    const fits = (s: Said) => s.ev === ev && Object.entries(more).every(([k, v]) => s[k as keyof Said] === v);
    const i = this.heard.findIndex(fits);
    if (i >= 0) return this.heard.splice(i, 1)[0]!;
    return within(`the board to say ${ev} ${JSON.stringify(more)}`, new Promise<Said>((done) => this.waiting.push({ fits, done })));
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once('exit', done));
    this.process.kill('SIGTERM');
    await within('the board to end', ended);
  }
}

function randomID(): string {
  return Array.from({ length: 24 }, () => Math.floor(Math.random() * 16).toString(16)).join('');
}

/** Fails when something takes too long. */
export async function within<T>(what: string, promise: Promise<T>, ms = patience): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(() => failed(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
