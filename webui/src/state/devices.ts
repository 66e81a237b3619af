import { api, asError, type ApiError } from '../api/client';
import type { Device, DeviceRow, Event } from '../api/types';
import { session } from '../api/session';
import { onEvents } from '../stream/feed';
import { Store } from '../store';

export interface Devices {
  list: readonly DeviceRow[]; // as the cloud orders them; while they come, those that are here
  total: number; // how many the cloud has
  loaded: boolean; // at least the first have come
  error: ApiError | null;
}

/** All devices that the user sees, in short. Replaced as a whole when one changes. */
export const devices = new Store<Devices>({ list: [], total: 0, loaded: false, error: null });

/** When each device was last heard, by its events; ms since 1970. */
export const heard = new Map<string, number>();

let places = new Map<string, number>(); // where each device stands in the list

export function findRow(id: string): DeviceRow | undefined {
  const at = places.get(id);
  return at === undefined ? undefined : devices.value.list[at];
}

export function deviceName(id: string): string {
  return findRow(id)?.name || id;
}

// Devices in full: only those that pages asked for.
const opened = new Map<string, Device>();

export function findDevice(id: string): Device | undefined {
  return opened.get(id);
}

function replace(list: readonly DeviceRow[], total = list.length): void {
  places = new Map(list.map((d, i) => [d.id, i]));
  devices.set({ list, total, loaded: true, error: null });
}

function isAdmin(): boolean {
  const s = session.current.value;
  return s.kind === 'in' && s.admin;
}

const listPath = () => (isAdmin() ? '/v1/localcloud/devices' : '/v1/devices');

const perPage = 1_000; // devices in one answer, so that reading it does not keep the page from drawing

interface Page {
  devices: DeviceRow[];
  meta: { total_pages: number; total_records: number };
  time: string; // the cloud's, before it looked
}

/** Asks the cloud for all devices, page by page. The first time those that have come can be seen meanwhile. */
async function readAll(signal?: AbortSignal): Promise<void> {
  if (!isAdmin()) return replace(await api<Device[]>('GET', listPath(), { signal }));
  const rows = new Map<string, DeviceRow>(); // one that moved meanwhile can be on two pages
  const first = !devices.value.loaded;
  for (let page = 1, pages = 1; page <= pages; page++) {
    const part = await api<Page>('GET', `${listPath()}?brief=1&per_page=${perPage}&page=${page}`, { signal });
    for (const d of part.devices) rows.set(d.id, d);
    pages = part.meta.total_pages;
    if (page === pages) replace([...rows.values()]);
    else if (first) replace([...rows.values()], part.meta.total_records);
  }
}

export async function loadDevices(signal?: AbortSignal): Promise<void> {
  try {
    await readAll(signal);
  } catch (err) {
    if (!signal?.aborted) devices.set({ ...devices.value, error: asError(err) });
  }
}

const newcomers = 20; // of those that connected, the newest

/** Asks which boards connected after a time of the cloud, whosever they are; '' asks for the time alone, which is returned. For administrators. */
export async function loadNewcomers(after: string, signal?: AbortSignal): Promise<string> {
  const asked = after ? `per_page=${newcomers}&connected_after=${encodeURIComponent(after)}` : 'per_page=1';
  const { devices: rows, time } = await api<Page>('GET', `${listPath()}?brief=1&${asked}`, { signal });
  if (after) merge(rows);
  return time;
}

/** Puts rows in place of what was known of these devices, and new ones first. */
function merge(rows: readonly DeviceRow[]): void {
  const { list, total } = devices.value;
  const known = list.slice();
  const fresh: DeviceRow[] = [];
  for (const row of rows) {
    const at = places.get(row.id);
    if (at === undefined) fresh.push(row);
    else known[at] = row;
  }
  if (fresh.length) replace([...fresh, ...known], total + fresh.length);
  else if (rows.length) devices.set({ ...devices.value, list: known });
}

async function read(id: string, signal?: AbortSignal): Promise<Device> {
  return api<Device>('GET', `${listPath()}/${encodeURIComponent(id)}`, { signal });
}

/** Asks the cloud for one device, in full; it is in the list afterwards. */
export async function loadDevice(id: string, signal?: AbortSignal): Promise<Device> {
  const device = await read(id, signal);
  opened.set(device.id, device);
  update(device);
  return device;
}

function update(device: Device): void {
  if (opened.has(device.id)) opened.set(device.id, device);
  const { list, total } = devices.value;
  const at = places.get(device.id);
  if (at === undefined) return replace([device, ...list], total + 1);
  const next = list.slice();
  next[at] = { ...list[at], ...device };
  devices.set({ ...devices.value, list: next });
}

/** Takes a device out of the list, which the cloud no longer shows to this user. */
export function dropDevice(id: string): void {
  opened.delete(id);
  replace(devices.value.list.filter((d) => d.id !== id));
}

const changes = new Set<string>();
let soon: ReturnType<typeof setTimeout> | undefined;

const few = 8; // devices that are asked for one by one
const patience = 250; // ms in which changes are gathered
const rest = 5_000; // ms between two looks at all

/** Follows what events say: who came, who went, who was heard. */
function follow(events: Event[]): void {
  for (const e of events) {
    if (e.device.length !== 24) continue;
    heard.set(e.device, e.at);
    if (e.name.startsWith('spark/')) changes.add(e.device);
  }
  if (changes.size && !soon) soon = setTimeout(refresh, patience);
}

async function refresh(): Promise<void> {
  const ids = [...changes];
  changes.clear();
  const all = ids.length > few;
  if (all) await loadDevices();
  else await Promise.all(ids.map((id) => read(id).then(update, () => undefined)));
  soon = undefined;
  if (all || changes.size) soon = setTimeout(() => (changes.size ? void refresh() : (soon = undefined)), all ? rest : patience);
}

onEvents(follow);
