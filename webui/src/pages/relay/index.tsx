import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../../api/client';
import { session } from '../../api/session';
import { ago } from '../../format';
import { place, setQuery } from '../../router';
import { useRepeated, useStore } from '../../store';
import { t } from '../../texts';
import { Icon } from '../../ui/icons';
import { CopyButton, Empty, Failure, Page, Waiting } from '../../ui/parts';
import '../../style/relay.css';
import { Channels } from './channels';
import { LiveCard } from './graph';
import { Public } from './public';
import { Recordings } from './recordings';
import { RelaySettings } from './settings';
import { keyOf, root, type Channel, type Relay } from './types';

const kept = 60; // figures of a curve

/** What boards stream: everybody sees their own; administrators also record, send and publish. */
export function RelayPage() {
  const who = useStore(session.current);
  const admin = who.kind === 'in' && who.admin;
  const { query } = useStore(place);
  const chosen = query.get('channels')?.split(',').filter(Boolean) ?? [];
  const [relay, setRelay] = useState<Partial<Relay> | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [curves, setCurves] = useState<Record<string, number[]>>({});
  const load = async (signal?: AbortSignal) => {
    try {
      const r = await api<Partial<Relay>>('GET', admin ? root : `${root}/overview`, signal ? { signal } : {});
      setRelay(r);
      setError(null);
      setCurves((before) => Object.fromEntries((r.channels ?? []).map((c) => [keyOf(c), [...(before[keyOf(c)] ?? []), c.lines_per_second].slice(-kept)])));
    } catch (err) {
      if (!signal?.aborted) setError(asError(err));
    }
  };
  useRepeated(load, 1_000, [admin]);
  if (error?.status === 404 && !relay) return <Off />;
  const list = relay?.channels ?? [];
  const known = list.filter((c) => c.lines > 0 || c.streaming);
  const choose = (channels: string[]) => setQuery({ channels: channels.join(',') });
  return (
    <Page
      title={t.relay.title}
      lead={t.relay.lead}
      actions={
        relay?.port && relay.read === 'open' ? (
          <a class="btn" href={`http://${window.location.hostname}:${relay.port}/relay/`} target="_blank" rel="noopener noreferrer">
            {t.relay.pages}
          </a>
        ) : null
      }
    >
      {error && <Failure error={error} />}
      {!relay && !error && <Waiting />}
      {relay && known.length === 0 && <Nothing />}
      {known.length > 0 && <LiveCard key={chosen.join()} channels={known} chosen={chosen} onChoose={choose} />}
      {known.length > 0 && <Channels list={known} curves={curves} admin={admin} port={relay?.port} onChange={load} />}
      {admin && relay && (
        <div class="columns">
          <Recordings list={relay.recordings ?? []} channels={list} onReplay={(channel) => choose([channel])} />
          <Public relay={relay} channels={list} onChange={load} />
          <RelaySettings />
        </div>
      )}
      {relay && <Problems relay={relay} channels={list} />}
    </Page>
  );
}

function Off() {
  return (
    <Page title={t.relay.title} lead={t.relay.lead}>
      <div class="card">
        <Empty icon="relay" title={t.relay.off}>
          {t.relay.offText}
        </Empty>
      </div>
    </Page>
  );
}

/** What to flash so that something appears here. */
function Nothing() {
  return (
    <section class="card" aria-label={t.relay.empty}>
      <Empty icon="relay" title={t.relay.empty}>
        {t.relay.emptyText}
      </Empty>
      <div class="command sketch">
        <pre>{t.relay.emptyCode}</pre>
        <CopyButton text={t.relay.emptyCode} label={t.relay.emptyCopy} />
      </div>
      <p class="soft small sketch">{t.relay.emptyWhere}</p>
    </section>
  );
}

/** What keeps boards from streaming, and who was turned away. */
function Problems({ relay, channels }: { relay: Partial<Relay>; channels: readonly Channel[] }) {
  const problems = Object.entries(relay.devices ?? {}).flatMap(([id, d]) => (d.problem ? [{ id, text: d.problem }] : []));
  const refusals = relay.refusals ?? [];
  if (problems.length === 0 && refusals.length === 0) return null;
  return (
    <section class="card" aria-labelledby="refused">
      <h2 id="refused">{t.relay.refused}</h2>
      {problems.map((p) => (
        <div class="note warn" key={p.id}>
          <Icon name="warn" />
          <span>
            <code>{channels.find((c) => c.device === p.id)?.name ?? p.id}</code> {p.text}
          </span>
        </div>
      ))}
      {refusals.slice(-8).map((r) => (
        <p class="small soft" key={`${r.at} ${r.address}`}>
          <code>{r.address}</code> {r.reason} <span class="faint">· {t.waiting.times(r.count)} · {ago(r.at)}</span>
        </p>
      ))}
    </section>
  );
}
