import { useState } from 'preact/hooks';
import { api, path } from '../../api/client';
import { deviceName } from '../../state/devices';
import { t } from '../../texts';
import { Confirm } from '../../ui/dialog';
import { usePolled } from '../../ui/load';
import { Button, Empty, Failure, Page, Waiting } from '../../ui/parts';
import { toast } from '../../ui/toast';
import { EditHook } from './edit';
import { HookLog } from './log';
import type { HookRow } from './types';

type Asking = { kind: 'new' } | { kind: 'edit' | 'log' | 'remove'; hook: HookRow } | null;

export function HooksPage() {
  const [asking, setAsking] = useState<Asking>(null);
  const { value: list, error, again } = usePolled((signal) => api<HookRow[]>('GET', '/v1/integrations', { signal }), 20_000);
  const close = () => {
    setAsking(null);
    again();
  };
  const add = (
    <Button kind="primary" icon="plus" onClick={() => setAsking({ kind: 'new' })}>
      {t.hooks.make}
    </Button>
  );
  return (
    <Page title={t.hooks.title} lead={t.hooks.lead} kind="narrow" actions={list && list.length > 0 && add}>
      {error && <Failure error={error} />}
      {!list && !error && <Waiting />}
      {list && (
        <div class="card plain">
          {list.length === 0 && (
            <Empty icon="hooks" title={t.hooks.empty} actions={add}>
              {t.hooks.emptyText}
            </Empty>
          )}
          <ul class="lines">
            {list.map((hook) => (
              <li key={hook.id} class="wrap">
                <HookText hook={hook} />
                <div class="row">
                  <Button small aria-label={t.ofThis(t.hooks.log, hook.name ?? hook.event)} onClick={() => setAsking({ kind: 'log', hook })}>
                    {t.hooks.log}
                  </Button>
                  <Button small aria-label={t.ofThis(t.hooks.edit, hook.name ?? hook.event)} onClick={() => setAsking({ kind: 'edit', hook })}>
                    {t.hooks.edit}
                  </Button>
                  <Button small kind="bad" aria-label={t.ofThis(t.hooks.remove, hook.name ?? hook.event)} onClick={() => setAsking({ kind: 'remove', hook })}>
                    {t.hooks.remove}
                  </Button>
                </div>
              </li>
            ))}
          </ul>
        </div>
      )}
      {asking?.kind === 'new' && <EditHook onClose={close} />}
      {asking?.kind === 'edit' && <EditHook id={asking.hook.id} onClose={close} />}
      {asking?.kind === 'log' && <HookLog hook={asking.hook} onClose={close} />}
      {asking?.kind === 'remove' && (
        <Confirm
          title={t.hooks.removeTitle(asking.hook.name ?? asking.hook.event)}
          text={t.hooks.removeText}
          action={t.hooks.remove}
          onConfirm={async () => {
            await api('DELETE', path('integrations', asking.hook.id));
            toast(t.hooks.removed);
          }}
          onClose={close}
        />
      )}
    </Page>
  );
}

function HookText({ hook }: { hook: HookRow }) {
  return (
    <div class="grow stack tight">
      <div class="row wrap">
        <strong class="cut">{hook.name ?? hook.event}</strong>
        <span class="pill accent">{hook.event}</span>
        {hook.deviceID && <span class="pill">{deviceName(hook.deviceID)}</span>}
        {hook.disabled && <span class="pill warn">{t.hooks.off}</span>}
      </div>
      <div class="faint small cut">
        {hook.requestType} {hook.url}
      </div>
    </div>
  );
}
