import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, asError, path } from '../../api/client';
import type { Device } from '../../api/types';
import { ago, dateOf } from '../../format';
import { useRepeated } from '../../store';
import { t } from '../../texts';
import { Bars } from '../../ui/bars';
import { Button, Failure, useAction } from '../../ui/parts';
import { Section } from '../../ui/section';
import { Spark } from '../../ui/spark';
import { feelingRows, flatten, networkRows, remember, type Figures, type FigureRow, type Vitals } from './figures';

const stale = 60_000; // ms; what is older is asked for when the page is opened
const period = 20_000; // ms between two looks at what the board told last

interface Told {
  list: Vitals[]; // the oldest first
  ask: ReturnType<typeof useAction<[]>>;
}

/** What a board told of itself, lately and now. */
function useVitals(device: Device): Told {
  const [list, setList] = useState<Vitals[]>([]);
  const add = (more: Vitals[]) => setList((before) => remember(before, more));
  const last = async (signal?: AbortSignal) => {
    try {
      add([(await api<{ diagnostics: Vitals }>('GET', path('diagnostics', device.id, 'last'), { signal })).diagnostics]);
    } catch (err) {
      if (asError(err).status !== 404) throw err; // 404: it has told nothing yet
    }
  };
  const ask = useAction(async () => {
    await api('POST', path('diagnostics', device.id, 'update'), { body: {} });
    await last();
  });
  useEffect(() => {
    const control = new AbortController();
    const since = new Date(Date.now() - 86_400_000).toISOString();
    api<{ diagnostics: Vitals[] }>('GET', `${path('diagnostics', device.id)}?start_date=${since}`, { signal: control.signal }).then((a) => add(a.diagnostics), () => undefined);
    return () => control.abort();
  }, [device.id]);
  useRepeated(last, period, [device.id]);
  const [asked, setAsked] = useState(false);
  const newest = Date.parse(list.at(-1)?.updated_at ?? '') || 0;
  useEffect(() => {
    if (asked || !device.online) return;
    const timer = setTimeout(() => {
      setAsked(true);
      if (Date.now() - newest > stale) void ask.run();
    }, 1_500);
    return () => clearTimeout(timer);
  }, [asked, device.online, newest]);
  return { list, ask };
}

/** How a board feels, and its network. */
export function VitalsCards({ device }: { device: Device }) {
  const { list, ask } = useVitals(device);
  const moments = useMemo(() => list.map((v) => flatten(v.payload.device)), [list]);
  const newest = list.at(-1);
  const quality = moments.at(-1)?.get('network.signal.quality');
  const error = ask.error && ask.error.status !== 408 && newest ? null : ask.error; // what is known is shown all the same
  return (
    <>
      <Section title={t.device.network} term={t.device.networkTerm} right={device.online && quality !== undefined && <Bars quality={quality} />}>
        <dl class="facts">
          <dt>{t.device.address}</dt>
          <dd class="num">
            <code>{device.address || device.last_ip_address || '–'}</code>
          </dd>
        </dl>
        <Rows moments={moments} rows={networkRows} />
        {moments.length === 0 && <p class="soft small">{t.device.networkNone}</p>}
      </Section>
      <Section
        title={t.device.vitals}
        term={t.device.vitalsTerm}
        right={
          <Button small icon="refresh" busy={ask.busy} disabled={!device.online} onClick={() => void ask.run()}>
            {t.device.vitalsAsk}
          </Button>
        }
      >
        {error && <Failure error={error} />}
        {newest ? (
          <>
            <Rows moments={moments} rows={feelingRows} />
            <p class="faint tiny" title={dateOf(newest.updated_at)}>
              {t.device.vitalsAt(ago(newest.updated_at))}
            </p>
          </>
        ) : (
          !error && <p class="soft small">{device.online ? t.device.vitalsSoon : t.device.vitalsNone}</p>
        )}
      </Section>
    </>
  );
}

function Rows({ moments, rows }: { moments: readonly Figures[]; rows: (f: Figures) => FigureRow[] }) {
  const newest = moments.at(-1);
  if (!newest) return null;
  const before = moments.map(rows);
  return (
    <ul class="vitals">
      {rows(newest).map((row) => {
        const values = before.flatMap((b) => b.find((r) => r.term === row.term)?.value ?? []);
        return (
          <li key={row.term}>
            <span>
              {row.what} <span class="term">{row.term}</span>
            </span>
            <span class="curve">{new Set(values).size > 1 && <Spark values={values} />}</span>
            <span class="num">{row.text}</span>
          </li>
        );
      })}
    </ul>
  );
}
