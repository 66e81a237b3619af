import { useLayoutEffect, useState } from 'preact/hooks';
import type { Device, Event } from '../../api/types';
import { timeOf } from '../../format';
import { Link } from '../../router';
import { log } from '../../state/log';
import { onEvents } from '../../stream/feed';
import { t } from '../../texts';
import { Section } from '../../ui/section';

const kept = 4; // events that are shown; .tail has room for as many

/** The newest events of one device. */
export function DeviceEvents({ device }: { device: Device }) {
  const [events, setEvents] = useState<Event[]>(() => log.items.filter((e) => e.device === device.id).slice(-kept).reverse());
  useLayoutEffect(
    () =>
      onEvents((list) => {
        const mine = list.filter((e) => e.device === device.id);
        if (mine.length) setEvents((before) => [...mine.reverse(), ...before].slice(0, kept));
      }),
    [device.id],
  );
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
        {events.length === 0 && <p class="soft small">{t.device.noEvents}</p>}
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
