import { api } from '../../api/client';
import { t } from '../../texts';
import { usePolled } from '../../ui/load';
import { Failure } from '../../ui/parts';
import { Prose } from '../../ui/prose';
import { Section } from '../../ui/section';

interface Report {
  addresses: string[];
  reach_pages: string[];
  findings: Array<{ what: string; next: string }>;
}

/** Whether boards can reach this cloud, and a page by which a phone finds out. */
export function AddressCheck() {
  const { value, error } = usePolled((signal) => api<Report>('GET', '/v1/localcloud/doctor', { signal }), 10_000);
  return (
    <Section title={t.health.check} term={t.health.checkTerm}>
      {error && <Failure error={error} />}
      <ul class="findings">
        {value?.findings.map((f) => (
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
      {!!value?.reach_pages.length && (
        <>
          <p class="soft small">{t.health.reach}</p>
          <ul class="stack tight">
            {value.reach_pages.map((p) => (
              <li key={p}>
                <a href={p}>
                  <code>{p}</code>
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}
