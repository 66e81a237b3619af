import type { Event } from '../api/types';

/** One server-sent event. */
export interface Frame {
  name: string; // empty: it has none
  id: string; // of this one, or of the last that had one
  data: string;
}

/** Cuts a stream of text into server-sent events. */
export class Frames {
  private rest = '';
  private name = '';
  private id = '';
  private data: string[] = [];

  /** Takes the next piece of the stream, and returns the events that it completed. */
  push(piece: string): Frame[] {
    const events: Frame[] = [];
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        const event = this.complete();
        if (event) events.push(event);
      } else this.field(line);
    }
    return events;
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    if (colon <= 0) return; // a comment, or a field without a value
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    switch (line.slice(0, colon)) {
      case 'event':
        this.name = value;
        break;
      case 'data':
        this.data.push(value);
        break;
      case 'id':
        this.id = value;
    }
  }

  private complete(): Frame | null {
    const { name, data, id } = this;
    this.name = '';
    this.data = [];
    return data.length === 0 ? null : { name, id, data: data.join('\n') };
  }
}

/** Keeps of a stream of the cloud's events what Particle's clients would. */
export class Reader {
  private frames = new Frames();

  /** Takes the next piece of the stream, and returns the events that it completed. */
  push(piece: string): Event[] {
    return this.frames.push(piece).flatMap((f) => read(f) ?? []);
  }
}

function read({ name, id, data }: Frame): Event | null {
  try {
    const body = JSON.parse(data) as { data?: unknown; published_at?: string; coreid?: string; name?: string };
    return {
      id,
      name: name || String(body.name ?? ''),
      data: body.data == null ? null : String(body.data),
      device: String(body.coreid ?? ''),
      at: Date.parse(body.published_at ?? '') || 0,
    };
  } catch {
    return null; // not one of ours
  }
}
