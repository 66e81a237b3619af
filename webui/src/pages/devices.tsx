import { useEffect, useMemo, useState } from 'preact/hooks';
import type { DeviceRow, Limits } from '../api/types';
import { ago, count, platform } from '../format';
import { Link, place, setQuery } from '../router';
import { devices, heard, loadDevices } from '../state/devices';
import { useStore } from '../store';
import { t } from '../texts';
import { Bars } from '../ui/bars';
import { List } from '../ui/list';
import { useNarrow, useNow } from '../ui/hooks';
import { Button, Dot, Empty, Failure, Page, SearchField, Segments, Waiting } from '../ui/parts';

type Show = 'all' | 'online' | 'offline';

const shows: ReadonlyArray<readonly [Show, string]> = [
  ['all', t.devices.all],
  ['online', t.devices.online],
  ['offline', t.devices.offline],
];

const texts = new WeakMap<DeviceRow, string>(); // what people know each by; made once, since a search looks at all of them

function textOf(d: DeviceRow): string {
  let text = texts.get(d);
  if (text === undefined) {
    text = `${d.name ?? ''} ${d.id} ${d.notes ?? ''} ${platform(d.platform_id)} ${d.owner ?? ''}`.toLowerCase();
    texts.set(d, text);
  }
  return text;
}

/** Whether a device has all the words somewhere in what people know it by. */
export function fits(d: DeviceRow, words: string[]): boolean {
  return words.length === 0 || words.every((w) => textOf(d).includes(w));
}

export function DevicesPage() {
  const { list, total, loaded, error } = useStore(devices);
  const { query } = useStore(place);
  const [search, setSearch] = useState(query.get('q') ?? '');
  const [show, setShow] = useState<Show>((query.get('show') as Show) || 'all');
  const narrow = useNarrow();
  useNow(15_000);
  useEffect(() => setQuery({ q: search, show: show === 'all' ? '' : show }), [search, show]);
  const chosen = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return list.filter((d) => (show === 'all' || d.online === (show === 'online')) && fits(d, words));
  }, [list, search, show]);
  const online = useMemo(() => list.reduce((n, d) => n + (d.online ? 1 : 0), 0), [list]);

  let body;
  if (!loaded && !error) body = <Waiting />;
  else if (list.length === 0 && error) body = null;
  else if (list.length === 0) {
    body = (
      <Empty icon="devices" title={t.devices.empty} actions={<Link class="btn primary" to="connect">{t.nav.connect}</Link>}>
        {t.devices.emptyText}
      </Empty>
    );
  } else if (chosen.length === 0) {
    const clear = () => {
      setSearch('');
      setShow('all');
    };
    body = (
      <Empty icon="search" title={t.devices.none} actions={<Button onClick={clear}>{t.devices.clear}</Button>}>
        {t.devices.noneText}
      </Empty>
    );
  } else {
    body = <List label={t.devices.title} items={chosen} rowHeight={narrow ? 78 : 68} keyOf={(d) => d.id} row={(d) => <Row device={d} />} />;
  }
  return (
    <Page
      title={t.devices.title}
      kind="full"
      lead={loaded && list.length > 0 ? (list.length < total ? t.devices.coming(count(list.length), count(total)) : t.devices.count(total, online)) : undefined}
      actions={list.length > 0 && <Link class="btn" to="connect">{t.nav.connect}</Link>}
    >
      {error && <Failure error={error} onRetry={() => void loadDevices()} />}
      {list.length > 0 && (
        <div class="row wrap">
          <SearchField label={t.devices.search} value={search} onValue={setSearch} />
          <Segments label={t.devices.show} value={show} options={shows} onValue={setShow} />
        </div>
      )}
      <div class="card plain fill">{body}</div>
    </Page>
  );
}

const numbers: ReadonlyArray<readonly [key: keyof Limits, what: string, why: string]> = [
  ['throttled', t.device.throttled, t.device.throttledText],
  ['limited', t.device.limited, t.device.limitedText],
  ['lost', t.device.lost, t.device.lostText],
];

function Row({ device: d }: { device: DeviceRow }) {
  const at = Math.max(heard.get(d.id) ?? 0, Date.parse(d.last_heard ?? '') || 0);
  return (
    <Link class="device-row" to={`devices/${d.id}`}>
      <Dot online={d.online} />
      <span class="who">
        <span class={d.name ? 'name cut' : 'name cut faint'}>{d.name ?? t.devices.unnamed}</span>
        <span class="mono faint tiny cut">{d.id}</span>
      </span>
      <span class="kind cut">
        {platform(d.platform_id)}
        {d.status === 'safe_mode' && <span class="pill warn">{t.device.safeMode}</span>}
      </span>
      <span class="os faint small cut">{d.system_firmware_version ? `Device OS ${d.system_firmware_version}` : ''}</span>
      <span class="late">
        {numbers.map(([key, what, why]) =>
          d.limits?.[key] ? (
            <span key={key} class="pill warn" title={why}>
              <span class="num">{count(d.limits[key])}</span> <span class="what">{what}</span>
            </span>
          ) : null,
        )}
      </span>
      <span class="radio">{d.online && d.signal != null && <Bars quality={d.signal} />}</span>
      <span class="heard faint small num">{d.online && !at ? t.justNow : ago(at)}</span>
    </Link>
  );
}
