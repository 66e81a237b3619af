// What the relay answers, as far as the console looks at it.

export interface Channel {
  device: string;
  name?: string; // of the device
  stream?: string;
  streaming: boolean;
  by?: 'post' | 'websocket';
  address?: string;
  lines: number;
  bytes: number;
  lines_per_second: number;
  lost: number;
  recording?: boolean;
  recording_always?: boolean;
  recording_failed?: string;
}

export interface Recording {
  file: string;
  device: string;
  stream?: string;
  bytes: number;
  began: string;
}

export interface Publication {
  device?: string;
  stream?: string;
  events?: string; // the beginning of names; instead of a device
  fields?: string[];
  title?: string;
}

/** All of it, for administrators. */
export interface Relay {
  port: number;
  read: 'open' | 'token';
  channels: Channel[];
  devices: Record<string, { problem?: string }>;
  refusals: Array<{ at: string; address: string; reason: string; count: number }>;
  public: Record<string, Publication>;
  recordings: Recording[];
}

export const root = '/v1/localcloud/relay';

/** How the relay calls a channel: DEVICE or DEVICE/STREAM. */
export function keyOf(c: { device?: string; stream?: string }): string {
  return c.stream ? `${c.device}/${c.stream}` : (c.device ?? '');
}

/** How people call it. */
export function titleOf(c: { device?: string; name?: string; stream?: string }): string {
  const name = c.name || (c.device ?? '').slice(0, 8);
  return c.stream ? `${name} · ${c.stream}` : name;
}

const isReplay = (key: string) => key.endsWith('/replay');

/** The choice with one more or less. A replay is seen by itself: its lines are of another time. */
export function toggled(chosen: readonly string[], key: string): string[] {
  if (chosen.includes(key)) return chosen.filter((k) => k !== key);
  return isReplay(key) ? [key] : [...chosen.filter((k) => !isReplay(k)), key];
}
