// What the API answers, as far as the console looks at it.

export interface Limits {
  events: number;
  throttled: number; // refused by the board itself
  limited: number; // beyond the rate limit
  lost: number; // copies that slow viewers did not take
  missed: number;
}

/** A device in a list. */
export interface DeviceRow {
  id: string;
  name: string | null;
  owner: string | null;
  last_heard: string | null;
  platform_id: number | null;
  online: boolean;
  notes: string | null;
  status: string;
  system_firmware_version: string | null;
  // For administrators only.
  signal?: number | null; // quality of its radio, percent
  limits?: Limits | null; // null: nothing was counted
}

/** A piece of a board's firmware. */
export interface Module {
  function: string; // "system", "user", "bootloader", "ncp" ...
  index?: number;
  version: number;
  place?: string; // "factory", "backup", "scratch"; none: where it runs
  damaged?: boolean; // it failed a check of the board
}

export interface Device {
  id: string;
  name: string | null;
  owner: string | null;
  last_ip_address: string | null;
  last_heard: string | null;
  last_handshake_at: string | null;
  platform_id: number | null;
  product_id: number | null;
  online: boolean;
  cellular: boolean;
  notes: string | null;
  status: string;
  iccid: string;
  imei: string;
  system_firmware_version: string | null;
  functions: string[];
  variables: Record<string, string>;
  modules?: Module[];
  app_hash?: string;

  // For administrators only.
  key_fingerprint?: string;
  server_key?: '' | 'present' | 'old' | 'former'; // which key of this cloud it holds; '': not known
  policy?: string | null;
  limits?: Limits;
  address?: string;
  since?: string | null;
}

export interface Knock {
  id: string; // empty when the board did not get as far as telling
  fingerprint: string;
  address: string;
  transport: string;
  step: string;
  reason: string;
  count: number;
  first: string;
  last: string;
  what: string;
  next: string;
}

export interface User {
  id: string;
  name: string;
  admin: boolean;
  one_time: boolean; // no password chosen yet
  created: string;
  devices: number;
  password?: string; // only right after the cloud made it
}

export interface Token {
  token?: string; // only right after it was made
  id: string;
  user: string;
  client: string;
  note: string;
  scopes: string[];
  created: string;
  expires: string | null;
  expires_soon: boolean;
}

export interface Policies {
  device: string;
  server: string;
  products: Record<string, string>;
}

export interface Clock {
  time: string;
  doubt: '' | 'behind' | 'ahead';
}

export interface Totals {
  online?: number;
  events?: number;
  [name: string]: number | undefined;
}

export interface Status {
  version?: string;
  uptime_s: number;
  totals: Totals;
  streams: number;
  devices: number;
  users: number;
  warnings: string[];
  listeners?: { http: string; tcp: string; udp: string; relay: string };
  addresses?: { http: string[] | null; https?: string[] | null; tcp: string[] | null; udp?: string[] | null; relay?: string[] | null };
  data?: string;
  pid?: number;
  store?: StoreStatus;
  webhooks?: { arriving: number; waiting: number; running: number; asleep: number };
  dtls?: { sessions: number; completed: number; busy: number; unknown: number; replayed: number; forged: number; malformed: number };
}

/** A key by which boards know this cloud, and how many of the user's hold which. */
export interface ServerKey {
  transport: 'tcp' | 'udp';
  fingerprint: string;
  old: string; // of the key that is being replaced; empty: none is
  hold_present: number;
  hold_old: number;
  hold_unknown: number; // they never came
}

/** What the store says of the event log. */
export interface StoreStatus {
  mode: string;
  acknowledged: string;
  events: number;
  bytes: number;
  oldest?: number; // event id
  waiting: number; // for the disk
  failed: number;
  max_bytes?: number;
  max_age?: number; // seconds
  free?: number;
  reserve?: number;
}

/** One event as pages show it. All of its text comes from devices and is never markup. */
export interface Event {
  id: string; // microseconds since 1970, growing
  name: string;
  data: string | null;
  device: string; // id, or "001" and the like when no device sent it
  at: number; // ms since 1970
}
