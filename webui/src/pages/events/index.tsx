import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Event } from '../../api/types';
import { count, timeOf } from '../../format';
import { place, setQuery } from '../../router';
import { eventRate, EventLog, log, matches, maxEvents, type Filter, type View } from '../../state/log';
import { onEvents } from '../../stream/feed';
import { useStore } from '../../store';
import { t } from '../../texts';
import { useNarrow } from '../../ui/hooks';
import { List } from '../../ui/list';
import { PickDevice } from '../../ui/pickdevice';
import { Button, Empty, Page, TextField } from '../../ui/parts';
import { Details, sender } from './details';
import { csv, download, jsonLines } from './export';
import { LookBack, Past } from './past';
import { Publish } from './publish';

/** The log as the filter shows it, at most ten times a second; it stands still while held, and where there are rows to aim at also while aimed at. */
function useView(filter: Filter, held: boolean, aimed: boolean): { view: View; fresh: number } {
  const mine = useMemo(() => {
    const chosen = new EventLog();
    chosen.add(log.items.filter((e) => matches(e, filter)));
    return chosen;
  }, [filter.name, filter.text, filter.device]);
  const [shown, setShown] = useState({ mine, view: mine.view(), fresh: 0 });
  // At once with the choice above: what came in between would be in neither.
  useLayoutEffect(() => {
    const still = (before: typeof shown) => before.mine === mine && (held || (aimed && before.view.length > 0));
    setShown((before) => (still(before) ? before : { mine, view: mine.view(), fresh: 0 }));
    return onEvents((list) => {
      const chosen = list.filter((e) => matches(e, filter));
      mine.add(chosen);
      setShown((before) => {
        if (still(before)) return chosen.length ? { ...before, fresh: before.fresh + chosen.length } : before;
        return { mine, view: mine.view(), fresh: 0 };
      });
    });
  }, [mine, held, aimed]);
  return shown.mine === mine ? shown : { view: mine.view(), fresh: 0 };
}

export function EventsPage() {
  const { query } = useStore(place);
  const [filter, setFilter] = useState<Filter>({ name: query.get('name') ?? '', text: query.get('text') ?? '', device: query.get('device') ?? '' });
  const [paused, setPaused] = useState(false);
  const [away, setAway] = useState(false); // scrolled away from the newest
  const [aiming, setAiming] = useState(false); // the mouse moves over the list: rows must not run away from it
  const [open, setOpen] = useState<Event | null>(null);
  const [asking, setAsking] = useState<'publish' | 'past' | null>(null);
  const [past, setPast] = useState<number | null>(null);
  const [cleared, setCleared] = useState(0);
  const { view, fresh } = useView(filter, paused || away, aiming);
  useEffect(() => setQuery({ ...filter }), [filter]);
  const visible = useMemo(() => cut(view, cleared), [view, cleared]);
  return (
    <Page
      title={t.events.title}
      kind="full"
      actions={
        <>
          {past === null && (
            <Button icon={paused ? 'play' : 'pause'} pressed={paused} onClick={() => setPaused(!paused)}>
              {paused ? t.events.resume : t.events.pause}
            </Button>
          )}
          <Button icon="clock" onClick={() => setAsking('past')}>
            {t.events.earlier}
          </Button>
          <Button icon="send" kind="primary" onClick={() => setAsking('publish')}>
            {t.events.publish}
          </Button>
        </>
      }
    >
      <Filters filter={filter} onFilter={setFilter} />
      {past === null ? (
        <div class="card plain fill">
          <div class="log-bar">
            <span class="faint small num cut">
              {count(visible.length)} · <Rate />
            </span>
            {fresh > 0 && (
              <Button
                small
                kind="primary"
                onClick={() => {
                  setPaused(false);
                  setAway(false);
                  document.querySelector('.log .list')?.scrollTo(0, 0);
                }}
              >
                {t.events.paused(count(fresh))}
              </Button>
            )}
            <span class="right row tight-row">
              <Export view={visible} />
              <Button small kind="quiet" onClick={() => setCleared(view.length ? Number(view.at(0)!.id) : 0)}>
                {t.events.clear}
              </Button>
            </span>
          </div>
          <LogList view={visible} filtered={!!(filter.name || filter.text || filter.device)} onOpen={setOpen} onTop={(top) => setAway(!top)} onAim={setAiming} />
          {visible.length >= maxEvents && <p class="log-bar faint small">{t.events.dropped(count(maxEvents))}</p>}
        </div>
      ) : (
        <Past key={past} from={past} filter={filter} onOpen={setOpen} onBack={() => setPast(null)} />
      )}
      {open && <Details event={open} onClose={() => setOpen(null)} />}
      {asking === 'publish' && <Publish onClose={() => setAsking(null)} />}
      {asking === 'past' && (
        <LookBack
          onClose={() => setAsking(null)}
          onChoose={(at) => {
            setPast(at);
            setAsking(null);
          }}
        />
      )}
    </Page>
  );
}

/** The part of a view that came after a certain event. */
function cut(view: View, after: number): { length: number; at(i: number): Event | undefined; newest(): Event[] } {
  if (!after) return view;
  let low = 0;
  let high = view.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Number(view.at(middle)!.id) > after) low = middle + 1;
    else high = middle;
  }
  return { length: low, at: (i) => (i < low ? view.at(i) : undefined), newest: () => view.newest().slice(0, low) };
}

function Rate() {
  const [rate, setRate] = useState(eventRate());
  useEffect(() => {
    const timer = setInterval(() => setRate(eventRate()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <span class="rate">{t.events.rate(rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1))}</span>;
}

function Filters({ filter, onFilter }: { filter: Filter; onFilter: (f: Filter) => void }) {
  return (
    <div class="filters">
      <TextField label={t.events.filter} value={filter.name} onValue={(name) => onFilter({ ...filter, name })} autocapitalize="none" spellcheck={false} />
      <TextField label={t.events.text} type="search" value={filter.text} onValue={(text) => onFilter({ ...filter, text })} autocapitalize="none" spellcheck={false} />
      <PickDevice label={t.events.device} none={t.events.anyDevice} value={filter.device} onValue={(device) => onFilter({ ...filter, device })} />
    </div>
  );
}

function Export({ view }: { view: { length: number; newest(): Event[] } }) {
  const name = () => `events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  return (
    <>
      <Button small kind="quiet" icon="down" disabled={!view.length} onClick={() => download(`${name()}.jsonl`, 'application/x-ndjson', jsonLines(view.newest().reverse()))}>
        {t.events.jsonlines}
      </Button>
      <Button small kind="quiet" icon="down" disabled={!view.length} onClick={() => download(`${name()}.csv`, 'text/csv', csv(view.newest().reverse()))}>
        {t.events.csv}
      </Button>
    </>
  );
}

const aimTime = 2_000; // ms after its last movement for which a mouse is taken to be on its way to a row

/** Returns what is to be called when the mouse moves over a list; onAim learns when it does, and when it has come to rest. */
function useAim(onAim?: (aiming: boolean) => void): () => void {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  return () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onAim?.(false), aimTime);
    onAim?.(true);
  };
}

interface LogListProps {
  view: { length: number; at(i: number): Event | undefined };
  filtered: boolean;
  onOpen: (e: Event) => void;
  onTop?: (top: boolean) => void;
  onAim?: (aiming: boolean) => void;
}

export function LogList({ view, filtered, onOpen, onTop, onAim }: LogListProps) {
  const narrow = useNarrow();
  const aim = useAim(onAim);
  if (view.length === 0) {
    return <Empty icon="events" title={filtered ? t.events.none : t.events.empty}>{filtered ? t.events.noneText : t.events.emptyText}</Empty>;
  }
  return (
    <div class="log" onPointerMove={(e) => e.pointerType === 'mouse' && aim()}>
      <List label={t.events.list} items={view} rowHeight={narrow ? 58 : 36} keyOf={(e) => e.id} row={(e) => <Row event={e} onOpen={onOpen} />} {...(onTop ? { onTop } : {})} />
    </div>
  );
}

function Row({ event: e, onOpen }: { event: Event; onOpen: (e: Event) => void }) {
  return (
    <button type="button" class="log-row" onClick={() => onOpen(e)}>
      <span class="time faint tiny num">{timeOf(e.at)}</span>
      <span class="name cut">{e.name}</span>
      <span class="data cut mono">{e.data === null ? <span class="faint">{t.events.noData}</span> : e.data.slice(0, 400)}</span>
      <span class="from cut faint small">{sender(e)}</span>
    </button>
  );
}
