import type { Event } from '../../api/types';
import { dateOf, timeOf } from '../../format';
import { Link } from '../../router';
import { deviceName, findRow } from '../../state/devices';
import { t } from '../../texts';
import { Dialog } from '../../ui/dialog';
import { JsonView, structured } from '../../ui/json';
import { Button, CopyButton } from '../../ui/parts';

/** Who an event comes from, in words. */
export function sender(e: Event): string {
  if (e.device.length === 24) return deviceName(e.device);
  return e.device === '001' ? t.events.user : t.events.cloud;
}

export function Details({ event: e, onClose }: { event: Event; onClose: () => void }) {
  const value = e.data === null ? undefined : structured(e.data);
  const whole = JSON.stringify({ name: e.name, data: e.data, published_at: new Date(e.at).toISOString(), coreid: e.device }, null, 2);
  return (
    <Dialog title={t.events.details} onClose={onClose}>
      <dl class="facts">
        <dt>{t.events.name}</dt>
        <dd>
          <code>{e.name}</code>
        </dd>
        <dt>{t.events.at}</dt>
        <dd class="num">
          {dateOf(e.at)} <span class="faint small">{timeOf(e.at)}</span>
        </dd>
        <dt>{t.events.from}</dt>
        <dd>{findRow(e.device) ? <Link to={`devices/${e.device}`}>{sender(e)}</Link> : sender(e)}</dd>
      </dl>
      <div class="data mono" tabIndex={0} role="region" aria-label={t.events.data}>
        {value !== undefined ? <JsonView value={value} /> : e.data === null ? <span class="faint">{t.events.noData}</span> : e.data}
      </div>
      <div class="buttons">
        {e.data !== null && <CopyButton words text={e.data} label={t.events.copyData} />}
        <CopyButton words text={whole} label={t.events.copyEvent} />
        <Button onClick={onClose} autofocus>
          {t.close}
        </Button>
      </div>
    </Dialog>
  );
}
