import { useEffect, useState } from 'preact/hooks';
import { api, asError, path, type ApiError } from '../../api/client';
import { session } from '../../api/session';
import type { Device } from '../../api/types';
import { platform } from '../../format';
import { go, Link } from '../../router';
import { devices, findDevice, loadDevice } from '../../state/devices';
import { useRepeated, useStore } from '../../store';
import { t } from '../../texts';
import { FormDialog } from '../../ui/dialog';
import { Icon } from '../../ui/icons';
import { Button, CopyButton, Dot, Empty, Failure, Page, TextField, Waiting, useAction } from '../../ui/parts';
import { toast } from '../../ui/toast';
import { About } from './about';
import { Danger } from './danger';
import { Doctor } from './doctor';
import { DeviceEvents } from './events';
import { Functions } from './functions';
import { LimitNumbers, OwnPolicy } from './limits';
import { Modules } from './modules';
import { Notes } from './notes';
import { hasPins, Pins } from './pins';
import { Variables } from './variables';
import { VitalsCards } from './vitals';

export function DevicePage({ params }: { params: Record<string, string> }) {
  const id = params.id ?? '';
  useStore(devices);
  const [error, setError] = useState<ApiError | null>(null);
  const load = async (signal?: AbortSignal) => {
    try {
      const found = await loadDevice(id, signal);
      setError(null);
      if (found.id !== id) go(`devices/${found.id}`, { replace: true }); // it was named by its name
    } catch (err) {
      if (!signal?.aborted) setError(asError(err));
    }
  };
  useRepeated(load, 10_000, [id]);
  const device = findDevice(id);
  const title = device?.name ?? id;
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
    return () => {
      document.title = t.product;
    };
  }, [title]);
  if (error && (error.status === 403 || error.status === 404)) {
    return (
      <Page title={t.device.missing} kind="narrow">
        <div class="card">
          <Empty icon="devices" title={t.device.missing} actions={<Link class="btn" to="devices">{t.notFound.home}</Link>}>
            {t.device.missingText}
          </Empty>
        </div>
      </Page>
    );
  }
  if (!device) return error ? <Failure error={error} onRetry={() => void load()} /> : <Waiting />;
  return <Loaded device={device} error={error} />;
}

function Loaded({ device, error }: { device: Device; error: ApiError | null }) {
  const who = useStore(session.current);
  const admin = who.kind === 'in' && who.admin;
  const [renaming, setRenaming] = useState(false);
  const online = device.online;
  return (
    <Page
      before={
        <Link class="back small" to="devices">
          <Icon name="back" size={16} />
          {t.nav.devices}
        </Link>
      }
      title={
        <span class="device-title">
          <Dot online={online} />
          <span>{device.name ?? device.id}</span>
        </span>
      }
      actions={<Actions device={device} onRename={() => setRenaming(true)} />}
      lead={
        <span class="row wrap">
          <span>{platform(device.platform_id)}</span>
          <span class={online ? 'pill good' : 'pill'}>{online ? t.device.online : t.device.offline}</span>
          {device.status === 'safe_mode' && <span class="pill warn">{t.device.safeMode}</span>}
          <span class="row tight-row">
            <code>{device.id}</code>
            <CopyButton text={device.id} label={t.device.copyID} />
          </span>
        </span>
      }
    >
      {error && <Failure error={error} />}
      {!online && (
        <div class="note">
          <Icon name="info" />
          <span>{t.device.disconnected}</span>
        </div>
      )}
      <div class="columns">
        <div class="stack">
          {hasPins(device) && <Pins device={device} />}
          <Functions device={device} />
          <Variables device={device} />
          <DeviceEvents device={device} />
          {device.limits && <LimitNumbers limits={device.limits} />}
          {admin && <OwnPolicy key={device.policy ?? ''} device={device} />}
          <Notes key={device.notes ?? ''} device={device} />
        </div>
        <div class="stack">
          {admin && !online && <Doctor device={device} />}
          <About device={device} />
          <VitalsCards device={device} />
          <Modules device={device} />
          <Danger device={device} admin={admin} />
        </div>
      </div>
      {renaming && <Rename device={device} onClose={() => setRenaming(false)} />}
    </Page>
  );
}

function Actions({ device, onRename }: { device: Device; onRename: () => void }) {
  const [rainbow, setRainbow] = useState(false);
  const signal = useAction(async () => {
    await api('PUT', path('devices', device.id), { body: { signal: rainbow ? '0' : '1' } });
    setRainbow(!rainbow);
  });
  const ping = useAction(async () => {
    const began = performance.now();
    const { online } = await api<{ online: boolean }>('PUT', path('devices', device.id, 'ping'), { body: {} });
    toast(online ? t.device.pingYes(Math.round(performance.now() - began)) : t.device.pingNo);
  });
  useEffect(() => {
    const error = signal.error ?? ping.error;
    if (error) toast(error.message);
  }, [signal.error, ping.error]);
  return (
    <>
      <Button icon="edit" onClick={onRename}>
        {t.device.rename}
      </Button>
      <Button icon="rainbow" pressed={rainbow} busy={signal.busy} disabled={!device.online} onClick={() => void signal.run()} title={t.device.signalTerm}>
        {rainbow ? t.device.signalStop : t.device.signal}
      </Button>
      <Button icon="ping" busy={ping.busy} disabled={!device.online} onClick={() => void ping.run()} title={t.device.pingTerm}>
        {t.device.ping}
      </Button>
    </>
  );
}

async function rename(id: string, name: string): Promise<void> {
  await api('PUT', path('devices', id), { body: { name } });
  await loadDevice(id);
}

function Rename({ device, onClose }: { device: Device; onClose: () => void }) {
  const [name, setName] = useState(device.name ?? '');
  const save = async () => {
    const before = device.name;
    await rename(device.id, name);
    toast(t.device.renamed(name), before ? () => void rename(device.id, before).catch((err) => toast(asError(err).message)) : undefined);
    onClose();
  };
  return (
    <FormDialog title={t.device.rename} submit={t.save} disabled={!name.trim() || name === device.name} onSubmit={save} onClose={onClose}>
      <TextField label={t.device.name} value={name} onValue={setName} maxlength={64} required autofocus />
    </FormDialog>
  );
}
