import { explain } from '../../api/client';
import { session } from '../../api/session';
import type { Event } from '../../api/types';
import type { Filter } from '../../state/log';
import { Reader } from '../../stream/sse';

/** The id that an event of that moment has at least; ids are microseconds since 1970. */
export function idAt(ms: number): string {
  return `${Math.max(0, Math.floor(ms))}000`;
}

const quiet = 1_200; // ms without a word after which the log has no more

/** Reads the log: up to limit events behind the one with the id, or fewer when the log ends there. */
export async function readLog(after: string, filter: Filter, limit: number, signal: AbortSignal): Promise<Event[]> {
  const scope = filter.device ? `devices/${filter.device}/events` : 'devices/events';
  const name = filter.name ? '/' + encodeURIComponent(filter.name) : '';
  const control = new AbortController();
  const stop = () => control.abort();
  signal.addEventListener('abort', stop);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const events: Event[] = [];
  const until = Date.now();
  try {
    const response = await fetch(`/v1/${scope}${name}`, {
      headers: { ...session.headers(), 'Last-Event-ID': after },
      signal: control.signal,
      cache: 'no-store',
    });
    if (!response.ok || !response.body) throw explain(response.status, (await response.json().catch(() => ({}))) as object);
    const parser = new Reader();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    while (events.length < limit) {
      clearTimeout(timer);
      timer = setTimeout(stop, quiet);
      const { done, value } = await reader.read();
      if (done) break;
      const more = parser.push(value);
      events.push(...more.filter((e) => e.at <= until));
      if (more.some((e) => e.at > until)) break; // from here on it is live
    }
  } catch (err) {
    if (signal.aborted || !control.signal.aborted) throw err;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    control.abort();
  }
  return events.slice(0, limit);
}
