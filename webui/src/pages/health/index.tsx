import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../../api/client';
import type { Status, StoreStatus } from '../../api/types';
import { bytes, count, dateOf, span } from '../../format';
import { Link } from '../../router';
import { useRepeated } from '../../store';
import { t } from '../../texts';
import { Icon } from '../../ui/icons';
import { Failure, Page, Waiting } from '../../ui/parts';
import { Prose } from '../../ui/prose';
import { type Fact, Facts, Section } from '../../ui/section';
import { Spark } from '../../ui/spark';
import { AddressCheck } from './check';
import { ServerKeys } from './keys';
import { SelfTest } from './selftest';

const period = 2_000; // ms between two looks
const kept = 90; // figures of the curve

export function HealthPage() {
  const [status, setStatus] = useState<Status | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [last, setLast] = useState<{ at: number; events: number } | null>(null);
  const [rates, setRates] = useState<number[]>([]);
  useRepeated(
    async (signal) => {
      try {
        const s = await api<Status>('GET', '/v1/localcloud/status', { signal });
        const now = { at: performance.now(), events: s.totals.events ?? 0 };
        setStatus(s);
        setError(null);
        setLast(now);
        if (last && now.events >= last.events) setRates((r) => [...r, ((now.events - last.events) / (now.at - last.at)) * 1000].slice(-kept));
      } catch (err) {
        if (!signal.aborted) setError(asError(err));
      }
    },
    period,
    [status?.uptime_s],
  );
  return (
    <Page title={t.health.title}>
      {error && <Failure error={error} />}
      {!status && !error && <Waiting />}
      {status && <Loaded status={status} rates={rates} />}
    </Page>
  );
}

function Loaded({ status: s, rates }: { status: Status; rates: number[] }) {
  const rate = rates.at(-1);
  return (
    <>
      {s.warnings.length === 0 ? (
        <div class="note good">
          <Icon name="check" />
          <strong>{t.health.good}</strong>
        </div>
      ) : (
        s.warnings.map((w) => (
          <div class="note warn" key={w}>
            <Icon name="warn" />
            <span>
              <Prose text={w} />
            </span>
          </div>
        ))
      )}
      <div class="figures">
        <Figure value={`${count(s.totals.online ?? 0)} / ${count(s.devices)}`} what={t.health.online} />
        <Figure value={rate === undefined ? '–' : rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1)} what={t.health.perSecond}>
          {rates.length > 1 && <Spark values={rates} />}
        </Figure>
        <Figure value={count(s.streams)} what={t.health.viewers} />
        <Figure value={span(s.uptime_s)} what={t.health.up} />
      </div>
      <div class="close">
        <Section title={t.health.addresses}>
          <Facts facts={addresses(s)} />
        </Section>
        <Section title={t.health.figures}>
          <Facts
            facts={[
              [t.health.events, count(s.totals.events ?? 0)],
              [t.health.limited, count(s.totals.limited ?? 0)],
              [t.health.lost, count(s.totals.lost ?? 0)],
              ...udp(s),
              [t.health.version, s.version ?? '–'],
            ]}
          />
        </Section>
        <Section title={t.health.queues} term={t.health.queuesTerm}>
          <Facts
            facts={[
              [t.health.waiting, count(s.store?.waiting ?? 0)],
              [t.health.failed, count(s.store?.failed ?? 0)],
              ...hooks(s),
              [t.health.listeners, count(s.totals.listeners ?? 0)],
            ]}
          />
        </Section>
        <AddressCheck />
        <ServerKeys />
        <Section title={t.health.store}>
          <Disk store={s.store} />
          <Facts facts={store(s)} />
        </Section>
        <SelfTest boards={s.devices} />
      </div>
    </>
  );
}

function Figure({ value, what, children }: { value: string; what: string; children?: ComponentChildren }) {
  return (
    <div class="card figure-card">
      <div class="big num">{value}</div>
      <div class="faint small">{what}</div>
      {children}
    </div>
  );
}

function addresses(s: Status): Fact[] {
  const l = s.listeners;
  const list = (given: string[] | null | undefined, listener: string | undefined) =>
    listener ? (given?.length ? given : [listener]).map((a) => <code class="block">{a}</code>) : <span class="faint">{t.health.notServed}</span>;
  return [
    [t.health.forApps, list(s.addresses?.http, l?.http)],
    [t.health.forHTTPS, list(s.addresses?.https, s.addresses?.https?.[0])],
    [t.health.forTCP, list(s.addresses?.tcp, l?.tcp)],
    [t.health.forUDP, list(s.addresses?.udp, l?.udp)],
    [t.health.forRelay, list(s.addresses?.relay, l?.relay)],
  ];
}

/** What waits on its way to webhooks. */
function hooks({ webhooks: q }: Status): Fact[] {
  if (!q) return [];
  const facts: Fact[] = [[t.health.hooksWaiting, count(q.arriving + q.waiting + q.running)]];
  if (q.asleep) facts.push([t.health.hooksAsleep, <Link to="integrations">{count(q.asleep)}</Link>]);
  return facts;
}

/** What came over UDP, where it is served. */
function udp(s: Status): Fact[] {
  const d = s.dtls;
  if (!d) return [];
  const dropped = d.unknown + d.replayed + d.forged + d.malformed + d.busy;
  return [
    [t.health.sessions, count(d.sessions)],
    [t.health.handshakes, count(d.completed)],
    [t.health.dropped, count(dropped)],
  ];
}

/** How much of the room for events is taken. */
function Disk({ store: st }: { store: StoreStatus | undefined }) {
  if (!st?.max_bytes) return null;
  const part = Math.min(1, st.bytes / st.max_bytes);
  return (
    <div class="stack tight">
      <div class={st.free && st.reserve && st.free < st.reserve ? 'bar tight' : 'bar'} aria-hidden="true">
        <span style={{ width: `${Math.max(part * 100, 1)}%` }} />
      </div>
      <span class="faint small">{t.health.room(bytes(st.bytes), bytes(st.max_bytes))}</span>
    </div>
  );
}

/** What the store says of itself; figures that it does not know are left out. */
function store(s: Status): Fact[] {
  const st = s.store;
  if (!st) return [];
  const facts: Fact[] = [
    [t.health.mode, t.health.modes[st.acknowledged] ?? st.mode],
    [t.health.stored, count(st.events)],
    [t.health.keep, st.max_age ? span(st.max_age) : t.settings.forEver],
  ];
  if (st.oldest) facts.push([t.health.oldest, dateOf(st.oldest / 1000)]); // an event id: microseconds
  if (st.free) facts.push([t.health.free, bytes(st.free)]);
  if (st.reserve) facts.push([t.health.reserve, bytes(st.reserve)]);
  if (s.data) facts.push([t.health.data, <code>{s.data}</code>]);
  return facts;
}
