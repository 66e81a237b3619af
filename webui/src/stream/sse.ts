import type { Event } from '../api/types';

/** Cuts a stream of text into server-sent events, and keeps those that Particle's clients would. */
export class Reader {
  private rest = '';
  private name = '';
  private id = '';
  private data: string[] = [];

  /** Takes the next piece of the stream, and returns the events that it completed. */
  push(piece: string): Event[] {
    const events: Event[] = [];
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

  private complete(): Event | null {
    const { name, data, id } = this;
    this.name = '';
    this.data = [];
    if (data.length === 0) return null;
    try {
      const body = JSON.parse(data.join('\n')) as { data?: unknown; published_at?: string; coreid?: string; name?: string };
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
}
