import { Store } from '../store';

/** Who looks at the console. */
export type Session =
  | { kind: 'unknown' } // not asked yet
  | { kind: 'unreachable' }
  | { kind: 'refused'; reason: string } // the cloud does not talk to a page of this address
  | { kind: 'out'; setup: boolean; signUp: boolean } // setup: the cloud has no owner yet; signUp: anyone may make an account
  | { kind: 'in'; user: string; admin: boolean; token: string; expires: string | null };

const current = new Store<Session>({ kind: 'unknown' });

interface Answer {
  user: { name: string; admin: boolean } | null;
  token: string; // public id of the session
  expires: string | null;
  setup: boolean;
  sign_up: boolean;
}

// Tabs tell each other who came and who went.
const tabs = new BroadcastChannel('localcloud.session');

function take(answer: Answer): void {
  const { user, setup, sign_up: signUp, token, expires } = answer;
  current.set(user ? { kind: 'in', user: user.name, admin: user.admin, token, expires } : { kind: 'out', setup, signUp });
}

export const session = {
  current,

  /** What every request carries beside the cookie: pages of other sites cannot send it. */
  headers: (): Record<string, string> => ({ 'X-Localcloud-Csrf': '1' }),

  /** Finds out who is logged in. */
  async load(): Promise<void> {
    try {
      const answer = await fetch('/v1/localcloud/session', { headers: session.headers(), cache: 'no-store' });
      const body = (await answer.json()) as Answer & { error?: string; error_description?: string };
      if (answer.ok) take(body);
      else current.set({ kind: 'refused', reason: body.error_description ?? body.error ?? '' });
    } catch {
      if (current.value.kind === 'unknown') current.set({ kind: 'unreachable' });
    }
  },

  /** Takes what the cloud answered to a log-in, a set-up or a log-out. */
  began(answer: unknown): void {
    take(answer as Answer);
    tabs.postMessage('changed');
  },

  /** The cloud no longer knows who this is. */
  lost(): void {
    if (current.value.kind !== 'in') return;
    current.set({ kind: 'out', setup: false, signUp: false });
    void session.load(); // whether anyone may make an account
  },
};

tabs.addEventListener('message', () => void session.load());
