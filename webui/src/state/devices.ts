import { api, asError, type ApiError } from '../api/client';
import type { Device, Event } from '../api/types';
import { session } from '../api/session';
import { onEvents } from '../stream/feed';
import { Store } from '../store';

export interface Devices {
  list: Device[]; // as the cloud orders them
  loaded: boolean;
  error: ApiError | null;
}

/** All devices that the user sees. Replaced as a whole when one changes. */
export const devices = new Store<Devices>({ list: [], loaded: false, error: null });

/** When each device was last heard, by its events; ms since 1970. */
export const heard = new Map<string, number>();

export function deviceName(id: string): string {
  const device = byID.get(id);
  return device?.name || id;
}

let byID = new Map<string, Device>();

export function findDevice(id: string): Device | undefined {
  return byID.get(id);
}

function replace(list: Device[]): void {
  byID = new Map(list.map((d) => [d.id, d]));
  devices.set({ list, loaded: true, error: null });
}

const listPath = () => {
  const s = session.current.value;
  return s.kind === 'in' && s.admin ? '/v1/localcloud/devices' : '/v1/devices';
};

/** Asks the cloud for all devices. */
export async function loadDevices(signal?: AbortSignal): Promise<void> {
  try {
    replace(await api<Device[]>('GET', listPath(), { signal }));
  } catch (err) {
    if (!signal?.aborted) devices.set({ ...devices.value, error: asError(err) });
  }
}

/** Asks the cloud for one device; it is in the list afterwards. */
export async function loadDevice(id: string, signal?: AbortSignal): Promise<Device> {
  const device = await api<Device>('GET', `${listPath()}/${encodeURIComponent(id)}`, { signal });
  update(device);
  return device;
}

function update(device: Device): void {
  const { list } = devices.value;
  const known = byID.has(device.id);
  replace(known ? list.map((d) => (d.id === device.id ? device : d)) : [device, ...list]);
}

/** Takes a device out of the list, which the cloud no longer shows to this user. */
export function dropDevice(id: string): void {
  replace(devices.value.list.filter((d) => d.id !== id));
}

const changes = new Set<string>();
let soon: ReturnType<typeof setTimeout> | undefined;

/** Follows what events say: who came, who went, who was heard. */
function follow(events: Event[]): void {
  for (const e of events) {
    if (e.device.length !== 24) continue;
    heard.set(e.device, e.at);
    if (e.name.startsWith('spark/')) changes.add(e.device);
  }
  if (changes.size && !soon) soon = setTimeout(refresh, 250);
}

async function refresh(): Promise<void> {
  soon = undefined;
  const ids = [...changes];
  changes.clear();
  if (ids.length > 8) await loadDevices();
  else await Promise.all(ids.map((id) => loadDevice(id).catch(() => undefined)));
}

onEvents(follow);
