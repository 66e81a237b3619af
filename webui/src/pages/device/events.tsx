import { useEffect, useState } from 'preact/hooks';
import type { Device, Event } from '../../api/types';
import { timeOf } from '../../format';
import { Link } from '../../router';
import { log } from '../../state/log';
import { onEvents } from '../../stream/feed';
import { t } from '../../texts';

const kept = 8; // events that are shown

/** The newest events of one device. */
export function DeviceEvents({ device }: { device: Device }) {
  const [events, setEvents] = useState<Event[]>(() => log.items.filter((e) => e.device === device.id).slice(-kept).reverse());
  useEffect(
    () =>
      onEvents((list) => {
        const mine = list.filter((e) => e.device === device.id);
        if (mine.length) setEvents((before) => [...mine.reverse(), ...before].slice(0, kept));
      }),
    [device.id],
  );
  return (
    <section class="card plain" aria-labelledby="events">
      <div class="head inset">
        <h2 id="events">{t.device.events}</h2>
        <span class="term">{t.device.eventsTerm}</span>
        <span class="right">
          <Link class="small" to={`events?device=${device.id}`}>
            {t.device.allEvents}
          </Link>
        </span>
      </div>
      <div class="tail">
        {events.length === 0 && <p class="soft small inset">{t.device.noEvents}</p>}
        {events.map((e) => (
          <div class="tail-row" key={e.id}>
            <span class="faint tiny num">{timeOf(e.at).slice(0, 8)}</span>
            <span class="cut name">{e.name}</span>
            <span class="cut mono soft">{e.data ?? <span class="faint">{t.events.noData}</span>}</span>
          </div>
        ))}
      </div>
    </section>
  );
}
