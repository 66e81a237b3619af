import { api } from '../../api/client';
import type { Device, Limits } from '../../api/types';
import { count } from '../../format';
import { loadDevice } from '../../state/devices';
import { t } from '../../texts';
import { PolicyEditor } from '../../ui/policy';
import { Section } from '../../ui/section';
import { toast } from '../../ui/toast';

/** The three numbers that are never mixed, each with what it means. */
export function LimitNumbers({ limits }: { limits: Limits }) {
  const numbers = [
    [limits.throttled, t.device.throttled, t.device.throttledText],
    [limits.limited, t.device.limited, t.device.limitedText],
    [limits.lost, t.device.lost, t.device.lostText],
  ] as const;
  return (
    <Section title={t.device.limits} term={`${t.device.limitsTerm}, ${t.device.published(count(limits.events))}`}>
      <ul class="numbers">
        {numbers.map(([n, what, why]) => (
          <li key={what}>
            <span class={n ? 'figure num warn-text' : 'figure num'}>{count(n)}</span>
            <div>
              <div>{what}</div>
              <div class="faint small">{why}</div>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The rate limit of one device. */
export function OwnPolicy({ device }: { device: Device }) {
  const save = async (policy: string | null) => {
    await api('PUT', `/v1/localcloud/devices/${device.id}/policy`, { body: { policy } });
    await loadDevice(device.id);
    toast(t.device.policySaved);
  };
  return (
    <Section title={t.device.policy} term={t.device.policyTerm}>
      <details class="help">
        <summary>{t.device.policyNow(device.policy ?? null)}</summary>
        <PolicyEditor label={t.device.policy} value={device.policy ?? null} inherits onSave={save} />
      </details>
    </Section>
  );
}
