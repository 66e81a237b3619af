import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Device } from '../api/types';
import { ago, count, platform } from '../format';
import { Link, place, setQuery } from '../router';
import { devices, heard, loadDevices } from '../state/devices';
import { useStore } from '../store';
import { t } from '../texts';
import { List } from '../ui/list';
import { useNarrow, useNow } from '../ui/hooks';
import { Button, Dot, Empty, Failure, Page, SearchField, Segments, Waiting } from '../ui/parts';

type Show = 'all' | 'online' | 'offline';

const shows: ReadonlyArray<readonly [Show, string]> = [
  ['all', t.devices.all],
  ['online', t.devices.online],
  ['offline', t.devices.offline],
];

/** Whether a device has all the words somewhere in what people know it by. */
export function fits(d: Device, words: string[]): boolean {
  if (words.length === 0) return true;
  const text = `${d.name ?? ''} ${d.id} ${d.notes ?? ''} ${platform(d.platform_id)} ${d.owner ?? ''}`.toLowerCase();
  return words.every((w) => text.includes(w));
}

export function DevicesPage() {
  const { list, loaded, error } = useStore(devices);
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
      lead={loaded && list.length > 0 ? t.devices.count(list.length, online) : undefined}
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

function Row({ device: d }: { device: Device }) {
  const at = Math.max(heard.get(d.id) ?? 0, Date.parse(d.last_heard ?? '') || 0);
  const late = d.limits ? d.limits.throttled + d.limits.limited + d.limits.lost : 0;
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
      <span class="late">{late > 0 && <span class="pill warn num" title={t.devices.limits}>{count(late)}</span>}</span>
      <span class="heard faint small num">{d.online && !at ? t.justNow : ago(at)}</span>
    </Link>
  );
}
