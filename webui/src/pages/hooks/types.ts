// Webhooks as the API has them, under the names of the official cloud.

export interface HookRow {
  id: string;
  event: string;
  url: string;
  requestType: string;
  name: string | null;
  deviceID?: string;
  owner: string;
  disabled: boolean;
}

export interface Counts {
  success: number;
  error: number;
  skipped: number;
  dead: number;
  waiting: number;
  asleep: boolean;
}

export interface Hook extends HookRow {
  json?: unknown;
  body?: string;
  headers?: Record<string, string>;
  auth?: Record<string, string>;
  counts: Counts;
  [more: string]: unknown;
}

export interface Delivery {
  time: string;
  event: string;
  event_id: string;
  data: string;
  attempt: number;
  request: string;
  status?: number;
  response: string;
  took_s: number;
  result: 'success' | 'retry' | 'skipped' | 'error' | 'dropped';
  error?: string;
}

export interface DeliveryRecord {
  counts: Counts;
  latest: Delivery[] | null;
  dead: Delivery[] | null;
}

/** "Name: value" lines, as people write headers. */
export function parseHeaders(text: string): Record<string, string> | null {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (!line.trim()) continue;
    const colon = line.indexOf(':');
    if (colon < 1) return null;
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return headers;
}

export function formatHeaders(headers: Record<string, string> | undefined): string {
  return Object.entries(headers ?? {})
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}
