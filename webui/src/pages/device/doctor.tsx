import { api } from '../../api/client';
import type { Device } from '../../api/types';
import { t } from '../../texts';
import { usePolled } from '../../ui/load';
import { Prose } from '../../ui/prose';
import { Section } from '../../ui/section';

interface Report {
  findings: Array<{ what: string; next: string }>;
}

/** Why a board that is offline does not come, for administrators. */
export function Doctor({ device }: { device: Device }) {
  const { value: report } = usePolled((signal) => api<Report>('GET', `/v1/localcloud/devices/${device.id}/doctor`, { signal }), 10_000, [device.id]);
  if (!report || report.findings.length === 0) return null;
  return (
    <Section title={t.device.doctor} term={t.device.doctorTerm}>
      <ul class="stack">
        {report.findings.map((f) => (
          <li key={f.what}>
            <div>{f.what}</div>
            {f.next && (
              <div class="soft small">
                <Prose text={f.next} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}
