import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import type { Device, Event } from '../../api/types';
import { timeOf } from '../../format';
import { Link } from '../../router';
import { log } from '../../state/log';
import { onEvents } from '../../stream/feed';
import { t } from '../../texts';
import { Section } from '../../ui/section';
import { idAt, readLog } from '../events/history';

const kept = 4; // events that are shown; .tail has room for as many
const lookBack = 10 * 60_000; // ms before the page was opened from which events are shown as well
const chatty = 500; // a device with so many events in that time shows itself soon enough

/** The newest events of one device. */
export function DeviceEvents({ device }: { device: Device }) {
  const [events, setEvents] = useState<Event[]>(() => log.items.filter((e) => e.device === device.id).slice(-kept).reverse());
  const [looked, setLooked] = useState(false);
  useLayoutEffect(
    () =>
      onEvents((list) => {
        const mine = list.filter((e) => e.device === device.id);
        if (mine.length) setEvents((before) => [...mine.reverse(), ...before].slice(0, kept));
      }),
    [device.id],
  );
  useEffect(() => {
    if (events.length) return;
    const control = new AbortController();
    readLog(idAt(Date.now() - lookBack), { name: '', text: '', device: device.id }, chatty, control.signal).then(
      (list) => {
        if (list.length < chatty) setEvents((live) => merge(live, list));
        setLooked(list.length < chatty);
      },
      () => undefined, // what it says from now on is shown all the same
    );
    return () => control.abort();
  }, [device.id]);
  return (
    <Section
      plain
      title={t.device.events}
      term={t.device.eventsTerm}
      right={
        <Link class="small" to={`events?device=${device.id}`}>
          {t.device.allEvents}
        </Link>
      }
    >
      <div class="tail">
        {looked && events.length === 0 && <p class="soft small">{t.device.noEvents}</p>}
        {events.map((e) => (
          <div class="tail-row" key={e.id}>
            <span class="when faint tiny num">{timeOf(e.at).slice(0, 8)}</span>
            <span class="cut name">{e.name}</span>
            <span class="data cut mono soft">{e.data ?? <span class="faint">{t.events.noData}</span>}</span>
          </div>
        ))}
      </div>
    </Section>
  );
}

/** The newest of what came live, the newest first, and of the log before, the oldest first. */
function merge(live: Event[], past: Event[]): Event[] {
  const before = past.filter((e) => !live.some((l) => l.id === e.id)).reverse();
  return [...live, ...before].slice(0, kept);
}
