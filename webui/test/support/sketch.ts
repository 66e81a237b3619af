import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { owner } from './browser';
import { ask, type Furnished } from './furnished';
import { within, type Board } from './program';

/** A sketch that sends a line every 20 ms over the connection that the relay offers, as livegraph and LocalRelay do. */
export class Sketch {
  private socket: Socket | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private waiting: Array<(text: string) => void> = [];
  private texts: string[] = [];
  sent = 0;

  constructor(
    private readonly board: Board,
    private readonly line: (n: number) => string,
    private readonly wire: 'post' | 'websocket' = 'post',
    private readonly address = '127.0.0.1', // its own
  ) {}

  /** Asks for the relay, as the sketch does while it has no connection. */
  ask(): void {
    this.board.publish('devicesRequest', this.address);
  }

  /** Waits for the call and connects as it says. */
  async answer(): Promise<void> {
    const call = await this.board.says('call', { name: 'devices' });
    const [address, port, nonce] = call.arg!.split(',');
    this.stop();
    const socket = connect(Number(port), address);
    this.socket = socket;
    socket.on('error', () => undefined);
    if (this.wire === 'post') {
      socket.write(`POST /devices HTTP/1.0\r\nAuthorization: ${nonce}\r\nContent-Length: 99999999\r\n\r\n`);
    } else {
      await this.upgrade(socket, nonce!);
    }
    this.timer = setInterval(() => this.send(this.line(this.sent++)), 20);
  }

  private send(line: string): void {
    this.socket?.write(this.wire === 'post' ? `${line}\n` : masked(line));
  }

  /** Begins a WebSocket (RFC 6455), and takes the texts that come over it. */
  private async upgrade(socket: Socket, nonce: string): Promise<void> {
    const key = randomBytes(16).toString('base64');
    socket.write(`GET /devices?nonce=${nonce} HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
    let rest: Buffer = Buffer.alloc(0);
    let upgraded = false;
    await within('the WebSocket', new Promise<void>((done, failed) => {
      socket.on('data', (b: Buffer) => {
        rest = Buffer.concat([rest, b]);
        if (!upgraded) {
          const end = rest.indexOf('\r\n\r\n');
          if (end < 0) return;
          if (!rest.toString().startsWith('HTTP/1.1 101')) return failed(new Error(rest.toString()));
          upgraded = true;
          rest = rest.subarray(end + 4);
          done();
        }
        rest = this.frames(rest);
      });
    }));
  }

  /** Takes whole frames off the front; those of the relay have no mask, and here fewer than 126 bytes. */
  private frames(b: Buffer): Buffer {
    while (b.length >= 2 && b.length >= 2 + (b[1]! & 127)) {
      const size = b[1]! & 127;
      if ((b[0]! & 15) === 1) this.hear(b.subarray(2, 2 + size).toString());
      b = b.subarray(2 + size);
    }
    return b;
  }

  private hear(text: string): void {
    const next = this.waiting.shift();
    if (next) next(text);
    else this.texts.push(text);
  }

  /** Waits for the next text that somebody sends to the board. */
  async hears(): Promise<string> {
    return this.texts.shift() ?? within('a text for the board', new Promise<string>((done) => this.waiting.push(done)));
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.socket?.destroy();
  }
}

/** A text frame as clients send it, with a mask. */
function masked(text: string): Buffer {
  const data = Buffer.from(text);
  const mask = randomBytes(4);
  const head = data.length < 126 ? Buffer.from([0x81, 0x80 | data.length]) : Buffer.from([0x81, 0xfe, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, mask, data.map((b, i) => b ^ mask[i % 4]!)]);
}

/** Streams lines as a device that was not called, with a token of its own, until the returned function is called. */
export async function stream(f: Furnished, device: string, line: (n: number) => string): Promise<() => void> {
  const scopes = [`device:${device}`, 'relay:send'];
  const { token } = (await ask(f, 'POST', '/v1/localcloud/tokens', { user: owner.name, note: 'stream', scopes })) as { token: string };
  const [host, port] = f.cloud.ready.relay.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  socket.write(`POST /devices HTTP/1.0\r\nAuthorization: Bearer ${token}\r\nContent-Length: 99999999\r\n\r\n`);
  let n = 0;
  const timer = setInterval(() => socket.write(`${line(n++)}\n`), 20);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}
