import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import { ago, bytes, count } from '../format';
import { useRepeated } from '../store';
import { t } from '../texts';
import { Icon } from '../ui/icons';
import { Button, Dot, Empty, Failure, Page, Waiting, useAction } from '../ui/parts';
import { Spark } from '../ui/spark';

interface Channel {
  device: string;
  name?: string;
  stream?: string;
  streaming: boolean;
  by?: string;
  address?: string;
  lines: number;
  bytes: number;
  lines_per_second: number;
  viewers: number;
  lost: number;
  recording?: boolean;
}

interface Recording {
  file: string;
  device: string;
  bytes: number;
  began: string;
}

interface Relay {
  port: number;
  read: 'open' | 'token';
  channels: Channel[] | null;
  devices: Record<string, { problem?: string }> | null;
  refusals: Array<{ at: string; address: string; reason: string; count: number }> | null;
  recordings: Recording[] | null;
}

const root = '/v1/localcloud/relay';
const kept = 60; // figures of a curve

const keyOf = (c: Channel) => `${c.device}/${c.stream ?? ''}`;

export function RelayPage() {
  const [relay, setRelay] = useState<Relay | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [curves, setCurves] = useState<Record<string, number[]>>({});
  useRepeated(async (signal) => {
    try {
      const r = await api<Relay>('GET', root, { signal });
      setRelay(r);
      setError(null);
      setCurves((before) => Object.fromEntries((r.channels ?? []).map((c) => [keyOf(c), [...(before[keyOf(c)] ?? []), c.lines_per_second].slice(-kept)])));
    } catch (err) {
      if (!signal.aborted) setError(asError(err));
    }
  }, 1_000);
  const pages = relay ? `http://${window.location.hostname}:${relay.port}/relay/` : '';
  return (
    <Page
      title={t.relay.title}
      lead={t.relay.lead}
      actions={
        relay && (
          <a class="btn primary" href={pages} target="_blank" rel="noopener noreferrer">
            <Icon name="big" size={18} />
            {t.relay.pages}
          </a>
        )
      }
    >
      {error && <Failure error={error} />}
      {!relay && !error && <Waiting />}
      {relay && <Channels relay={relay} curves={curves} pages={pages} />}
      {relay && <Problems relay={relay} />}
      {relay && (relay.recordings ?? []).length > 0 && <Recordings list={relay.recordings!} />}
    </Page>
  );
}

function Channels({ relay, curves, pages }: { relay: Relay; curves: Record<string, number[]>; pages: string }) {
  const list = relay.channels ?? [];
  if (list.length === 0) {
    return (
      <div class="card">
        <Empty icon="relay" title={t.relay.empty}>
          {t.relay.emptyText(relay.port)}
        </Empty>
      </div>
    );
  }
  return (
    <div class="channels">
      {list.map((c) => (
        <section class="card" key={keyOf(c)} aria-label={c.name ?? c.device}>
          <div class="head">
            <Dot online={c.streaming} />
            <h2 class="cut">
              {c.name ?? c.device}
              {c.stream && ` · ${c.stream}`}
            </h2>
            {c.recording && <span class="pill bad">{t.relay.recording}</span>}
          </div>
          <div class="row">
            <div class="grow">
              <div class="big-number num">{c.lines_per_second >= 10 ? count(Math.round(c.lines_per_second)) : c.lines_per_second.toFixed(1)}</div>
              <div class="faint small">{t.relay.perSecond}</div>
            </div>
            <div class="grow">
              <Spark values={curves[keyOf(c)] ?? []} />
            </div>
          </div>
          <p class="faint small num">
            {t.relay.figures(count(c.lines), bytes(c.bytes), count(c.viewers))}
            {c.lost > 0 && ` · ${t.relay.lost(count(c.lost))}`}
          </p>
          <div class="row wrap">
            <a class="btn small" href={`${pages}${encodeURIComponent(c.device)}/livegraph/`} target="_blank" rel="noopener noreferrer">
              {t.relay.graph}
            </a>
            <Record channel={c} />
          </div>
        </section>
      ))}
    </div>
  );
}

function Record({ channel: c }: { channel: Channel }) {
  const { busy, error, run } = useAction(() =>
    api(c.recording ? 'DELETE' : 'PUT', `${root}/recordings/${c.device}`, { body: c.stream ? { stream: c.stream } : {} }),
  );
  return (
    <>
      <Button small busy={busy} pressed={!!c.recording} onClick={() => void run()}>
        {c.recording ? t.relay.stop : t.relay.record}
      </Button>
      {error && <Failure error={error} />}
    </>
  );
}

/** What keeps boards from streaming, and who was turned away. */
function Problems({ relay }: { relay: Relay }) {
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
            <code>{p.id}</code> {p.text}
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

function Recordings({ list }: { list: Recording[] }) {
  return (
    <section class="card plain" aria-labelledby="recordings">
      <div class="head inset">
        <h2 id="recordings">{t.relay.recordings}</h2>
      </div>
      <ul class="lines">
        {list.map((r) => (
          <li key={r.file}>
            <span class="grow cut mono">{r.file}</span>
            <span class="faint small num">
              {bytes(r.bytes)} · {ago(r.began)}
            </span>
            <a class="btn small" href={`${root}/recordings/${encodeURIComponent(r.file)}`} download={r.file}>
              {t.relay.download}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
