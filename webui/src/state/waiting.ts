import { api } from '../api/client';
import type { Knock } from '../api/types';
import { session } from '../api/session';
import { Store } from '../store';

/** Boards that connected and were not let in; null until the cloud was asked. For administrators. */
export const knocks = new Store<Knock[] | null>(null);

export async function loadKnocks(signal?: AbortSignal): Promise<void> {
  const s = session.current.value;
  if (s.kind !== 'in' || !s.admin) return;
  knocks.set(await api<Knock[]>('GET', '/v1/localcloud/unknown', { signal }));
}

/** Lets a board in, with the key that it offered. */
export async function adopt(id: string, name: string): Promise<void> {
  await api('POST', `/v1/localcloud/unknown/${id}/adopt`, { body: name ? { name } : {} });
  await loadKnocks();
}

/** Whether one click is enough to let the board in. */
export function canAdopt(knock: Knock): boolean {
  return knock.id !== '' && knock.fingerprint !== '' && ['unknown-device', 'other-key', 'no-key'].includes(knock.reason);
}

/** Whether a board that is known came with another key than it had. */
export function isRenewed(knock: Knock): boolean {
  return knock.reason === 'other-key';
}
