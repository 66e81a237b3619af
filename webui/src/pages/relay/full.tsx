import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client';
import { timeOf } from '../../format';
import { Link, place } from '../../router';
import { useRepeated, useStore } from '../../store';
import { t } from '../../texts';
import { useNow } from '../../ui/hooks';
import { Icon } from '../../ui/icons';
import { Button } from '../../ui/parts';
import '../../style/relay.css';
import { useNames } from './graph';
import { colourOf, Plot } from './plot';
import { root, titleOf, type Channel, type Relay } from './types';
import { useLive } from './uselive';
import { brief, first, parseScale, zoom, type View } from './view';

const rest = 4_000; // ms without the mouse after which the buttons go

/** The graph by itself, for a screen that nobody touches for weeks: it keeps the last picture and comes back for ever. */
export function FullPage() {
  const { query } = useStore(place);
  const chosen = query.get('channels')?.split(',').filter(Boolean) ?? [];
  const [channels, setChannels] = useState<readonly Channel[]>([]);
  const [view, setView] = useState<View>(() => ({ ...first, span: Math.max(100, Number(query.get('span')) || first.span) }));
  const { live, state } = useLive(chosen, 'auto');
  const shown = useShown();
  const awake = useAwake();
  useNow(250);
  useRepeated(async (signal) => setChannels((await api<Partial<Relay>>('GET', `${root}/overview`, { signal })).channels ?? []), 10_000);
  const name = useNames(channels, chosen.length === 1);
  const title = chosen.length ? chosen.map((key) => titleOf(find(channels, key))).join(', ') : t.relay.title;
  useEffect(() => {
    const before = document.title;
    document.title = title;
    return () => {
      document.title = before;
    };
  }, [title]);
  return (
    <main id="content" class={shown ? 'full-view' : 'full-view resting'} tabIndex={-1}>
      <header>
        <h1 class="cut">{title}</h1>
        <span class="soft" role="status">
          {state.kind === 'lost' ? t.relay.pictureStays(timeOf(state.since).slice(0, 8)) : live.received === 0 ? t.relay.states.waiting : ''}
        </span>
      </header>
      <Plot
        big
        series={live.series}
        version={() => live.version}
        newest={() => live.newest}
        view={view}
        onView={setView}
        scale={parseScale(query.get('scale'))}
        label={live.series.length ? t.relay.graphOf(live.series.map(name).join(', ')) : t.relay.graphEmpty}
        onCursor={() => undefined}
      />
      <ul class="big-values">
        {live.series.map((s) => (
          <li key={`${s.channel} ${s.field}`}>
            <span class={`mark ${colourOf(s.index)}`} />
            <span class="cut">{name(s)}</span>
            <strong class="num">{brief(s.value(s.count - 1))}</strong>
          </li>
        ))}
      </ul>
      <div class="full-bar">
        <Link class="btn" to={`relay${chosen.length ? `?channels=${encodeURIComponent(chosen.join(','))}` : ''}`}>
          <Icon name="back" size={18} />
          <span class="words">{t.relay.exit}</span>
        </Link>
        <Button icon="minus" aria-label={t.relay.zoomOut} title={t.relay.zoomOut} onClick={() => setView((v) => zoom(v, 2))} />
        <Button icon="plus" aria-label={t.relay.zoomIn} title={t.relay.zoomIn} onClick={() => setView((v) => zoom(v, 0.5))} />
        <Fill />
        {!awake && <span class="soft small note">{t.relay.notAwake}</span>}
      </div>
    </main>
  );
}

function find(channels: readonly Channel[], key: string): { device?: string; name?: string; stream?: string } {
  const [device, stream] = key.split('/');
  return { ...(stream ? { stream } : {}), ...channels.find((c) => c.device === device && (c.stream ?? '') === (stream ?? '')), device: device ?? '' };
}

/** Lets the window fill the screen. */
function Fill() {
  const [filled, setFilled] = useState(!!document.fullscreenElement);
  useEffect(() => {
    const look = () => setFilled(!!document.fullscreenElement);
    document.addEventListener('fullscreenchange', look);
    return () => document.removeEventListener('fullscreenchange', look);
  }, []);
  if (!document.fullscreenEnabled) return null; // phones of one maker
  return (
    <Button icon="big" onClick={() => void (filled ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => undefined)}>
      <span class="words">{filled ? t.relay.fullOff : t.relay.fullOn}</span>
    </Button>
  );
}

/** Whether the buttons are shown: for a while after the mouse has moved or a key was pressed. */
function useShown(): boolean {
  const [shown, setShown] = useState(true);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => {
    const show = () => {
      setShown(true);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setShown(false), rest);
    };
    const signs = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const;
    for (const sign of signs) document.addEventListener(sign, show);
    show();
    return () => {
      for (const sign of signs) document.removeEventListener(sign, show);
      clearTimeout(timer.current);
    };
  }, []);
  return shown;
}

/** Keeps the screen on, where the browser allows a page that; reports whether it does. */
function useAwake(): boolean {
  const [awake, setAwake] = useState(false);
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    let here = true;
    const ask = async () => {
      if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
      try {
        lock = await navigator.wakeLock.request('screen');
        if (!here) return void lock.release();
        setAwake(true);
        lock.addEventListener('release', () => here && setAwake(false));
      } catch {
        setAwake(false); // the battery is low, or the owner says no
      }
    };
    document.addEventListener('visibilitychange', ask); // the lock ends when the page is hidden
    void ask();
    return () => {
      here = false;
      document.removeEventListener('visibilitychange', ask);
      void lock?.release();
    };
  }, []);
  return awake;
}
