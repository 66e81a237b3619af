import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import type { Status } from '../api/types';
import { bytes, count, dateOf, span } from '../format';
import { useRepeated } from '../store';
import { t } from '../texts';
import { Icon } from '../ui/icons';
import { Failure, Page, Waiting } from '../ui/parts';
import { type Fact, Facts, Section } from '../ui/section';
import { Spark } from '../ui/spark';

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
            <span>{w}</span>
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
      <div class="columns">
        <Section title={t.health.addresses}>
          <Facts facts={addresses(s)} />
        </Section>
        <Section title={t.health.figures}>
          <Facts
            facts={[
              [t.health.events, count(s.totals.events ?? 0)],
              [t.health.limited, count(s.totals.limited ?? 0)],
              [t.health.lost, count(s.totals.lost ?? 0)],
              [t.health.version, s.version ?? '–'],
            ]}
          />
        </Section>
        <Section title={t.health.store}>
          <Facts facts={store(s)} />
        </Section>
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
    [t.health.forTCP, list(s.addresses?.tcp, l?.tcp)],
    [t.health.forUDP, list(s.addresses?.udp, l?.udp)],
    [t.health.forRelay, list(s.addresses?.relay, l?.relay)],
  ];
}

/** What the store says of itself; figures that it does not know are left out. */
function store(s: Status): Fact[] {
  const st = s.store ?? {};
  const facts: Fact[] = [];
  const text = (v: unknown) => (typeof v === 'string' || typeof v === 'number' ? String(v) : '');
  if (st.mode) facts.push([t.health.mode, t.health.modes[text(st.acknowledged)] ?? text(st.mode)]);
  if (typeof st.events === 'number') facts.push([t.health.stored, count(st.events)]);
  if (typeof st.bytes === 'number') facts.push([t.health.size, bytes(st.bytes)]);
  if (typeof st.oldest === 'number') facts.push([t.health.oldest, dateOf(st.oldest / 1000)]); // an event id: microseconds
  if (typeof st.free === 'number') facts.push([t.health.free, bytes(st.free)]);
  if (typeof st.reserve === 'number') facts.push([t.health.reserve, bytes(st.reserve)]);
  if (s.data) facts.push([t.health.data, <code>{s.data}</code>]);
  return facts;
}
