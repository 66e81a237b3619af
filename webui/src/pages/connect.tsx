import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import type { DeviceRow, Status } from '../api/types';
import { Link } from '../router';
import { devices, dropDevice, loadNewcomers } from '../state/devices';
import { knocks, loadKnocks } from '../state/waiting';
import { useRepeated, useStore } from '../store';
import { t } from '../texts';
import { Icon } from '../ui/icons';
import { Button, Command, Failure, Page, Segments, TextField, useAction } from '../ui/parts';
import { Section } from '../ui/section';
import { Claim } from './claim';
import { KnockCard } from './waiting';

type Transport = 'tcp' | 'udp';

const transports: ReadonlyArray<readonly [Transport, string]> = [
  ['tcp', t.connect.tcp],
  ['udp', t.connect.udp],
];

function port(address: string | undefined, otherwise: string): string {
  return address?.slice(address.lastIndexOf(':') + 1) || otherwise;
}

/** The command that does it all, on the cloud's own machine. */
export function connectCommand(host: string): string {
  return `localcloud device connect --host ${host}`;
}

/** The commands of Particle's tool that tell a board where its cloud is. */
export function commands(origin: string, host: string, transport: Transport, devicePort: string): string {
  const udp = transport === 'udp';
  return [
    `curl -o server.pem "${origin}/v1/server/key${udp ? '?udp=true' : ''}"`,
    `particle keys server server.pem${udp ? ' --protocol udp' : ''} --host ${host} --port ${devicePort}`,
  ].join('\n');
}

export function ConnectPage() {
  const who = useStore(session.current);
  const admin = who.kind === 'in' && who.admin;
  const [status, setStatus] = useState<Status | null>(null);
  const [transport, setTransport] = useState<Transport>('tcp');
  const [host, setHost] = useState(window.location.hostname);
  useEffect(() => {
    if (!admin) return;
    api<Status>('GET', '/v1/localcloud/status').then((s) => {
      setStatus(s);
      const loopback = /^(localhost|127\.|\[?::1)/.test(window.location.hostname);
      const other = s.addresses?.tcp?.find((a) => !a.startsWith('127.'));
      if (loopback && other) setHost(other.slice(0, other.lastIndexOf(':')));
    }, () => undefined);
  }, [admin]);
  const listener = transport === 'tcp' ? status?.listeners?.tcp : status?.listeners?.udp;
  const closed = admin && status !== null && !listener;
  return (
    <Page title={t.connect.title} lead={t.connect.lead}>
      <div class="columns">
        <div class="card">
          <Segments label={t.connect.kindLabel} value={transport} options={transports} onValue={setTransport} />
          {closed ? (
            <div class="note warn">
              <Icon name="warn" />
              <span>{t.connect.notServed}</span>
            </div>
          ) : (
            <ol class="steps">
              <li>
                <h2>
                  {t.connect.usb} <span class="term">{t.connect.usbTerm}</span>
                </h2>
                <p class="soft">{t.connect.usbText}</p>
              </li>
              <li>
                <h2>
                  {t.connect.key} <span class="term">{t.connect.keyTerm}</span>
                </h2>
                <p class="soft">{t.connect.keyText}</p>
                <TextField label={t.connect.address} hint={t.connect.addressHint} value={host} onValue={setHost} spellcheck={false} />
                <Command text={connectCommand(host || t.connect.noAddress)} />
                <p class="soft">{t.connect.elsewhere}</p>
                <Command text={`--cloud ${window.location.origin} --token TOKEN`} />
                <details class="help">
                  <summary>{t.connect.particle}</summary>
                  <p class="soft">{t.connect.particleText}</p>
                  <Command text={commands(window.location.origin, host || t.connect.noAddress, transport, port(listener, transport === 'tcp' ? '5683' : '5684'))} />
                </details>
              </li>
              <li>
                <h2>{t.connect.restart}</h2>
                <p class="soft">{t.connect.restartText}</p>
              </li>
            </ol>
          )}
        </div>
        <div class="stack">
          <Arrivals admin={admin} />
          <Claim />
          {admin && <Virtual />}
        </div>
      </div>
    </Page>
  );
}

/** Sees boards knock and come online while the page is open. */
function Arrivals({ admin }: { admin: boolean }) {
  const waiting = useStore(knocks) ?? [];
  const { list, loaded } = useStore(devices);
  const [before, setBefore] = useState<Set<string> | null>(null);
  useEffect(() => {
    if (loaded && !before) setBefore(new Set(list.filter((d) => d.online).map((d) => d.id)));
  }, [loaded]);
  useRepeated(loadKnocks, 1_500);
  useNewcomers(admin);
  const arrived = before ? list.filter((d) => d.online && !before.has(d.id)) : [];
  return (
    <>
      {arrived.map((d) => (
        <Arrived key={d.id} device={d} />
      ))}
      {admin && waiting.map((k) => <KnockCard key={`${k.id} ${k.fingerprint} ${k.reason}`} knock={k} />)}
      {arrived.length === 0 && waiting.length === 0 && (
        <section class="card listening" role="status">
          <span class="pulse" aria-hidden="true" />
          <div>
            <h2>{t.connect.listening}</h2>
            <p class="soft">{t.connect.listeningText}</p>
          </div>
        </section>
      )}
    </>
  );
}

/** Keeps the list of devices up to date with boards that connect. Events tell of one's own; administrators are let know of others, too. */
function useNewcomers(admin: boolean): void {
  const opened = useRef(''); // when the page was, by the cloud's clock
  useRepeated(
    async (signal) => {
      if (!admin) return;
      const now = await loadNewcomers(opened.current, signal);
      opened.current ||= now;
    },
    2_000,
    [admin],
  );
}

function Arrived({ device }: { device: DeviceRow }) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => ref.current?.scrollIntoView({ block: 'nearest' }), []); // on a phone it is below the steps
  return (
    <section class="card arrived" role="status" ref={ref}>
      <span class="lamp" aria-hidden="true" />
      <div class="stack tight">
        <h2>{t.connect.done}</h2>
        <p>{t.connect.doneText(device.name ?? device.id)}</p>
        <div>
          <Link class="btn" to={`devices/${device.id}`}>
            {t.connect.open}
          </Link>
        </div>
      </div>
    </section>
  );
}

interface VirtualState {
  running: boolean;
  device: string; // id, empty before there was one
}

/** A board made of software, for those who have none at hand. */
function Virtual() {
  const [state, setState] = useState<VirtualState | null>(null);
  useEffect(() => {
    api<VirtualState>('GET', '/v1/localcloud/virtual').then(setState, () => undefined);
  }, []);
  const { busy, error, run } = useAction(async () => {
    setState(await api<VirtualState>(state?.running ? 'DELETE' : 'POST', '/v1/localcloud/virtual', { body: {} }));
    if (state?.running) dropDevice(state.device);
  });
  if (!state) return null;
  return (
    <Section title={t.connect.noHardware}>
      <p class="soft">{state.running ? t.connect.virtualOn : t.connect.noHardwareText}</p>
      {error && <Failure error={error} />}
      <div class="row wrap">
        <Button kind={state.running ? '' : 'primary'} busy={busy} onClick={() => void run()}>
          {state.running ? t.connect.stopVirtual : t.connect.tryVirtual}
        </Button>
        {state.running && (
          <Link class="btn" to={`devices/${state.device}`}>
            {t.connect.open}
          </Link>
        )}
      </div>
    </Section>
  );
}
