import { api } from '../../api/client';
import { count, dateOf } from '../../format';
import { t } from '../../texts';
import { usePolled } from '../../ui/load';
import { Button, Failure, useAction } from '../../ui/parts';
import { Facts, Section } from '../../ui/section';

interface Result {
  at: string;
  devices: number;
  viewers: number;
  connects: number; // a second
  events: number; // a second
  delay_ms: number;
  delay99_ms: number;
  lost: number;
  disk_ms: number;
}

interface State {
  running: boolean;
  step: string;
  progress: number;
  problem: string; // why the last one did not come to its end
  result: Result | null;
}

const path = '/v1/localcloud/selftest';

/** Rounds down to two digits: more would say more than was measured. */
export function roughly(n: number): number {
  const digit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(n, 1))) - 1);
  return Math.floor(n / digit) * digit;
}

/** Says in a sentence what the figures mean. */
export function verdict(r: Result, boards: number): string {
  const rate = count(roughly(r.events));
  const enough = boards > 0 ? t.selftest.forYours(count(boards), Math.max(1, Math.round(boards / Math.max(r.connects, 0.1)))) : '';
  return [t.selftest.verdict(rate), enough].filter(Boolean).join(' ');
}

/** Measures what this machine can do, when somebody asks. */
export function SelfTest({ boards }: { boards: number }) {
  const { value: state, error, set } = usePolled((signal) => api<State>('GET', path, { signal }), 500);
  const start = useAction(async () => set(await api<State>('POST', path, { body: {} })));
  const stop = useAction(async () => set(await api<State>('DELETE', path)));
  const failure = start.error ?? stop.error ?? (error?.status === 501 ? null : error);
  if (error?.status === 501) return null;
  return (
    <Section title={t.selftest.title} term={t.selftest.term}>
      <p class="soft">{t.selftest.text}</p>
      {failure && <Failure error={failure} />}
      {state?.running && (
        <div class="stack tight" role="status">
          <div class="bar" role="progressbar" aria-label={t.selftest.title} aria-valuenow={Math.round(state.progress * 100)} aria-valuemin={0} aria-valuemax={100}>
            <span style={{ width: `${state.progress * 100}%` }} />
          </div>
          <span class="faint small">{t.selftest.steps[state.step] ?? ''}</span>
        </div>
      )}
      {!state?.running && state?.problem && <p class="small bad-text">{t.selftest.failed(state.problem)}</p>}
      {!state?.running && state?.result && <Found result={state.result} boards={boards} />}
      <div>
        {state?.running ? (
          <Button busy={stop.busy} onClick={() => void stop.run()}>
            {t.selftest.stop}
          </Button>
        ) : (
          <Button kind={state?.result ? '' : 'primary'} busy={start.busy} disabled={!state} onClick={() => void start.run()}>
            {state?.result ? t.selftest.again : t.selftest.start}
          </Button>
        )}
      </div>
    </Section>
  );
}

function ms(n: number): string {
  return `${n >= 10 ? count(Math.round(n)) : n.toFixed(1)} ms`;
}

function Found({ result: r, boards }: { result: Result; boards: number }) {
  return (
    <>
      <p>
        <strong>{verdict(r, boards)}</strong>
      </p>
      <Facts
        facts={[
          [t.selftest.events, t.selftest.eventsText(count(Math.round(r.events)), r.devices, r.viewers)],
          [t.selftest.delay, t.selftest.delayText(ms(r.delay_ms), ms(r.delay99_ms))],
          [t.selftest.connects, t.selftest.connectsText(r.connects >= 10 ? count(Math.round(r.connects)) : r.connects.toFixed(1))],
          [t.selftest.disk, ms(r.disk_ms)],
          [t.selftest.at, dateOf(r.at)],
        ]}
      />
    </>
  );
}
