import { useMemo, useRef, useState } from 'preact/hooks';
import { count, span as lasting } from '../../format';
import { Link } from '../../router';
import { t } from '../../texts';
import { useNow } from '../../ui/hooks';
import { Icon } from '../../ui/icons';
import { Button, Segments, SelectField, TextField } from '../../ui/parts';
import { download } from '../events/export';
import { tableOf } from './export';
import { Legend, Lines, Table } from './values';
import type { Form } from './parse';
import { Plot } from './plot';
import { keyOf, titleOf, toggled, type Channel } from './types';
import { useLive } from './uselive';
import { brief, first, pan, pause, range, spans, zoom, type Scale, type View } from './view';
import type { Series } from './series';

interface LiveCardProps {
  channels: readonly Channel[];
  chosen: readonly string[]; // none: all
  onChoose: (channels: string[]) => void;
}

/** The lines of the chosen boards as a graph, as a table, or as they are. */
export function LiveCard({ channels, chosen, onChoose }: LiveCardProps) {
  const [form, setForm] = useState<Form>('auto');
  const [as, setAs] = useState<'graph' | 'table' | 'lines'>('graph');
  const [view, setView] = useState<View>(first);
  const [scale, setScale] = useState<Scale>('auto');
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const cursor = useRef<number | null>(null);
  const { live, state } = useLive(chosen, form);
  useNow(250);
  const name = useNames(channels, chosen.length === 1);
  const drawn = live.series.filter((s) => !hidden.has(s.index));
  const newest = live.newest;
  const held = useRef(live.recent); // what "Lines" shows, which stands still while the picture does
  if (view.end === null) held.current = live.recent;
  const flowing = state.kind === 'live' && live.rate() > 0;
  const shown = view.end !== null ? 'paused' : state.kind === 'live' ? (flowing ? 'live' : 'waiting') : 'lost';
  const label = drawn.length ? t.relay.graphOf(drawn.map(name).join(', ')) : t.relay.graphEmpty;
  return (
    <section class="card live-card" aria-labelledby="live">
      <div class="head">
        <h2 id="live">{t.relay.sends}</h2>
        <span class={`pill state-${shown}`} role="status">
          {t.relay.states[shown]}
        </span>
        <span class="right row wrap">
          <Segments
            label={t.relay.as}
            value={as}
            options={[['graph', t.relay.graph], ['table', t.relay.table], ['lines', t.relay.lines]]}
            onValue={setAs}
          />
          <Link class="btn small" to={`relay/full?${fullQuery(chosen, view, scale)}`}>
            <Icon name="big" size={16} />
            {t.relay.full}
          </Link>
        </span>
      </div>
      <Chooser channels={channels} chosen={chosen} onChoose={onChoose} />
      {as === 'graph' && (
        <>
          <Plot
            series={drawn}
            version={() => live.version}
            newest={() => live.newest}
            view={view}
            onView={setView}
            scale={scale}
            label={label}
            onCursor={(at) => (cursor.current = at)}
          />
          <Legend series={live.series} name={name} at={cursor.current ?? view.end} hidden={hidden} onHidden={setHidden} />
        </>
      )}
      {as === 'table' && <Table series={live.series} name={name} view={view} newest={newest} />}
      {as === 'lines' && <Lines lines={held.current} name={(channel) => titleOf(channels.find((c) => keyOf(c) === channel) ?? { device: channel })} />}
      {live.received === 0 && <p class="soft small">{t.relay.noLines}</p>}
      {live.received > 0 && live.series.length === 0 && as !== 'lines' && <p class="note small">{t.relay.noNumbers}</p>}
      {live.hidden > 0 && <p class="faint small">{t.relay.tooMany(live.series.length)}</p>}
      <div class="row wrap live-bar">
        <Button icon={view.end === null ? 'pause' : 'play'} pressed={view.end !== null} onClick={() => setView((v) => pause(v, v.end === null, newest))}>
          {view.end === null ? t.relay.pause : t.relay.resume}
        </Button>
        <span class="row tight-row">
          <Button icon="minus" aria-label={t.relay.zoomOut} title={t.relay.zoomOut} onClick={() => setView((v) => zoom(v, 2))} />
          <Button icon="plus" aria-label={t.relay.zoomIn} title={t.relay.zoomIn} onClick={() => setView((v) => zoom(v, 0.5))} />
          <Button icon="back" aria-label={t.relay.earlier} title={t.relay.earlier} onClick={() => setView((v) => pan(v, -0.25, newest))} />
          <Button icon="right" aria-label={t.relay.later} title={t.relay.later} disabled={view.end === null} onClick={() => setView((v) => pan(v, 0.25, newest))} />
        </span>
        <span class="right faint small num figures-line">
          <span>{t.relay.rate(live.rate() >= 100 ? count(Math.round(live.rate())) : live.rate().toFixed(1))}</span>
          <span>{t.relay.received(count(live.received))}</span>
          <span class={live.lost ? 'warn-text' : ''}>{live.lost ? t.relay.missed(count(live.lost)) : t.relay.nothingLost}</span>
        </span>
      </div>
      {as !== 'lines' && (
        <div class="live-settings">
          <SelectField
            label={t.relay.span}
            value={String(view.span)}
            options={spanOptions(view.span)}
            onValue={(v) => setView((old) => zoom(old, Number(v) / old.span, 1))}
          />
          <SelectField label={t.relay.read} value={form} options={Object.entries(t.relay.forms) as Array<[Form, string]>} onValue={setForm} />
          <ScaleFields scale={scale} onScale={setScale} fitting={() => fitting(drawn, view, live.newest)} />
          <Button icon="down" disabled={drawn.length === 0} onClick={() => download('relay.csv', 'text/csv', tableOf(drawn, name, view, live.newest))}>
            {t.relay.save}
          </Button>
        </div>
      )}
    </section>
  );
}

/** What the full screen shows: the same. */
function fullQuery(chosen: readonly string[], view: View, scale: Scale): string {
  const query = new URLSearchParams({ span: String(view.span) });
  if (chosen.length) query.set('channels', chosen.join(','));
  if (scale !== 'auto') query.set('scale', typeof scale === 'string' ? scale : scale.join());
  return query.toString();
}

function spanOptions(span: number): Array<[string, string]> {
  const words = (ms: number) => (ms < 10_000 && ms % 1000 ? `${(ms / 1000).toFixed(1)} s` : lasting(Math.round(ms / 1000)));
  const known = spans.map((s): [string, string] => [String(s), words(s)]);
  return known.some(([s]) => s === String(span)) ? known : [[String(span), t.relay.spanOther(words(span))], ...known];
}

/** The values between which all that is seen fits. */
function fitting(series: readonly Series[], view: View, newest: number): [number, number] {
  const end = view.end ?? newest;
  const found = series.flatMap((s) => s.figures(end - view.span, end) ?? []);
  if (found.length === 0) return range(null, null);
  return range(Math.min(...found.map((f) => f.low)), Math.max(...found.map((f) => f.high)));
}

/** Between which values the graph reaches. */
function ScaleFields({ scale, onScale, fitting }: { scale: Scale; onScale: (scale: Scale) => void; fitting: () => [number, number] }) {
  const [low, setLow] = useState('');
  const [high, setHigh] = useState('');
  const isGood = (a: string, b: string) => a.trim() !== '' && b.trim() !== '' && Number(a) < Number(b);
  const good = isGood(low, high);
  const set = (a: string, b: string) => {
    setLow(a);
    setHigh(b);
    if (isGood(a, b)) onScale([Number(a), Number(b)]);
  };
  const choose = (to: 'auto' | 'own' | 'fixed') => {
    if (to !== 'fixed') onScale(to);
    else if (good) set(low, high);
    else set(...(fitting().map(brief) as [string, string]));
  };
  return (
    <>
      <SelectField
        label={t.relay.scale}
        value={typeof scale === 'string' ? scale : 'fixed'}
        options={[['auto', t.relay.scaleAuto], ['own', t.relay.scaleOwn], ['fixed', t.relay.scaleFixed]]}
        onValue={choose}
      />
      {typeof scale !== 'string' && (
        <>
          <TextField label={t.relay.low} type="number" step="any" value={low} onValue={(v) => set(v, high)} aria-invalid={!good} />
          <TextField label={t.relay.high} type="number" step="any" value={high} onValue={(v) => set(low, v)} aria-invalid={!good} />
        </>
      )}
    </>
  );
}

/** Which boards are shown: all, or those that are pressed. */
function Chooser({ channels, chosen, onChoose }: LiveCardProps) {
  if (channels.length < 2 && chosen.length === 0) return null;
  const toggle = (key: string) => onChoose(toggled(chosen, key));
  return (
    <div class="row wrap chips" role="group" aria-label={t.relay.show}>
      <button type="button" class="chip" aria-pressed={chosen.length === 0} onClick={() => onChoose([])}>
        {t.relay.all}
      </button>
      {channels.map((c) => (
        <button key={keyOf(c)} type="button" class="chip cut" aria-pressed={chosen.includes(keyOf(c))} onClick={() => toggle(keyOf(c))}>
          {titleOf(c)}
        </button>
      ))}
    </div>
  );
}

/** Returns how series are called: by their board, too, unless there is but one. */
export function useNames(channels: readonly Channel[], one: boolean): (s: { channel: string; field: string }) => string {
  const alone = one || channels.length === 1;
  const key = channels.map((c) => `${keyOf(c)}=${c.name}`).join();
  return useMemo(() => {
    const titles = new Map(channels.map((c) => [keyOf(c), titleOf(c)]));
    return ({ channel, field }) => {
      const board = titles.get(channel) ?? titleOf({ device: channel });
      return alone ? field || board : field ? `${board}: ${field}` : board;
    };
  }, [key, alone]);
}
