import { api, path } from '../../api/client';
import { count, timeOf } from '../../format';
import { t } from '../../texts';
import { Dialog } from '../../ui/dialog';
import { usePolled } from '../../ui/load';
import { Button, Failure, Waiting, useAction } from '../../ui/parts';
import type { Delivery, DeliveryRecord, HookRow } from './types';

/** What came of a webhook's last deliveries, and a button that fires it. */
export function HookLog({ hook, onClose }: { hook: HookRow; onClose: () => void }) {
  const { value: record, error, again } = usePolled((signal) => api<DeliveryRecord>('GET', path('integrations', hook.id, 'log'), { signal }), 2_000, [hook.id]);
  const test = useAction(async () => {
    try {
      await api('POST', path('integrations', hook.id, 'test'), { body: {} });
    } finally {
      again();
    }
  });
  const c = record?.counts;
  const failed = error ?? test.error;
  return (
    <Dialog title={t.hooks.logOf(hook.name ?? hook.event)} onClose={onClose}>
      {c && (
        <div class="row wrap">
          <span class="pill good">{t.hooks.delivered(count(c.success))}</span>
          {c.error > 0 && <span class="pill bad">{t.hooks.failed(count(c.error))}</span>}
          {c.waiting > 0 && <span class="pill">{t.hooks.waiting(count(c.waiting))}</span>}
          {c.dead > 0 && <span class="pill warn">{t.hooks.dead(count(c.dead))}</span>}
          {c.asleep && <span class="pill warn">{t.hooks.asleep}</span>}
        </div>
      )}
      {failed && <Failure error={failed} />}
      {!record && !error && <Waiting />}
      {record && (record.latest ?? []).length === 0 && <p class="soft">{t.hooks.noLog}</p>}
      <ul class="deliveries" tabIndex={0} aria-label={t.hooks.log}>
        {(record?.latest ?? []).map((d) => (
          <DeliveryLine key={`${d.event_id} ${d.attempt} ${d.time}`} delivery={d} />
        ))}
      </ul>
      <div class="buttons">
        <Button busy={test.busy} onClick={() => void test.run()}>
          {t.hooks.test}
        </Button>
        <Button kind="primary" onClick={onClose} autofocus>
          {t.close}
        </Button>
      </div>
    </Dialog>
  );
}

function DeliveryLine({ delivery: d }: { delivery: Delivery }) {
  return (
    <li>
      <div class="row">
        <span class={d.result === 'success' ? 'pill good' : d.result === 'retry' ? 'pill warn' : 'pill bad'}>{t.hooks.results[d.result]}</span>
        <span class="cut">{d.event}</span>
        <span class="faint tiny num right">
          {timeOf(Date.parse(d.time)).slice(0, 8)} · {Math.round(d.took_s * 1000)} ms{d.status ? ` · ${d.status}` : ''}
        </span>
      </div>
      <div class="faint small cut">{d.error || d.response || d.request}</div>
    </li>
  );
}
