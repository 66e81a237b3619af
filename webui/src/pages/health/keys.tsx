import { api } from '../../api/client';
import type { ServerKey } from '../../api/types';
import { count } from '../../format';
import { t } from '../../texts';
import { usePolled } from '../../ui/load';
import { Command, Failure } from '../../ui/parts';
import { Section } from '../../ui/section';

const period = 15_000; // ms between two looks

/** How far the replacement of a key is: of all boards that use it, how many hold the new one, and what is the next step. */
export function progress(k: ServerKey): { done: number; all: number; next: 'rekey' | 'finish' } {
  const all = k.hold_present + k.hold_old + k.hold_unknown;
  return { done: k.hold_present, all, next: k.hold_old + k.hold_unknown > 0 ? 'rekey' : 'finish' };
}

/** The keys by which boards know this cloud, and whether one of them is being replaced. */
export function ServerKeys() {
  const { value, error } = usePolled((signal) => api<ServerKey[]>('GET', '/v1/localcloud/keys?brief=1', { signal }), period);
  return (
    <Section title={t.serverKeys.title} term={t.serverKeys.term}>
      {error && <Failure error={error} />}
      {value?.map((k) => <Key key={k.transport} of={k} />)}
      {value && value.every((k) => !k.old) && <p class="faint small">{t.serverKeys.steady}</p>}
    </Section>
  );
}

function Key({ of: k }: { of: ServerKey }) {
  return (
    <div class="stack tight">
      <h3>{k.transport === 'tcp' ? t.health.forTCP : t.health.forUDP}</h3>
      <code>{k.fingerprint}</code>
      {k.old && <Rotation of={k} />}
    </div>
  );
}

function Rotation({ of: k }: { of: ServerKey }) {
  const { done, all, next } = progress(k);
  return (
    <>
      <p class="warn-text">{t.serverKeys.rotating}</p>
      <div class="bar" role="progressbar" aria-label={t.serverKeys.hold} aria-valuemin={0} aria-valuemax={all} aria-valuenow={done}>
        <span style={{ width: `${all ? (done / all) * 100 : 100}%` }} />
      </div>
      <p class="small">
        {t.serverKeys.progress(count(done), count(all))}
        {k.hold_old > 0 && ` ${t.serverKeys.old(count(k.hold_old))}`}
        {k.hold_unknown > 0 && ` ${t.serverKeys.unknown(count(k.hold_unknown))}`}
      </p>
      <p class="soft small">{next === 'finish' ? t.serverKeys.finish : t.serverKeys.rekey}</p>
      <Command text={next === 'finish' ? `localcloud keys rotate --finish --only ${k.transport}` : 'localcloud keys show'} />
    </>
  );
}
