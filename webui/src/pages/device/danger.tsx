import { useState } from 'preact/hooks';
import { api, path } from '../../api/client';
import type { Device } from '../../api/types';
import { go } from '../../router';
import { dropDevice, loadDevice } from '../../state/devices';
import { t } from '../../texts';
import { Confirm } from '../../ui/dialog';
import { Button } from '../../ui/parts';
import { Section } from '../../ui/section';
import { toast } from '../../ui/toast';

/** Giving a device away. Releasing it can be undone, forgetting it cannot. */
export function Danger({ device, admin }: { device: Device; admin: boolean }) {
  const [asking, setAsking] = useState<'release' | 'forget' | null>(null);
  const name = device.name ?? device.id;
  const release = async () => {
    await api('DELETE', path('devices', device.id));
    if (admin) await loadDevice(device.id);
    else {
      dropDevice(device.id);
      go('devices');
    }
    toast(t.device.released(name), () => void api('POST', '/v1/devices', { body: { id: device.id } }).then(() => loadDevice(device.id)));
  };
  const forget = async () => {
    await api('DELETE', `/v1/localcloud/devices/${device.id}`);
    dropDevice(device.id);
    toast(t.device.forgotten(name));
    go('devices');
  };
  return (
    <Section title={t.device.danger} term={t.device.releaseTerm}>
      <p class="soft small">{t.device.releaseText}</p>
      <div class="row wrap">
        <Button disabled={!device.owner} onClick={() => setAsking('release')}>
          {t.device.release}
        </Button>
        {admin && (
          <Button kind="bad" onClick={() => setAsking('forget')}>
            {t.device.forget}
          </Button>
        )}
      </div>
      {asking === 'release' && <Confirm title={t.device.releaseTitle(name)} text={t.device.releaseText} action={t.device.release} onConfirm={release} onClose={() => setAsking(null)} />}
      {asking === 'forget' && <Confirm title={t.device.forgetTitle(name)} text={t.device.forgetText} action={t.device.forget} onConfirm={forget} onClose={() => setAsking(null)} />}
    </Section>
  );
}
