import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import { session } from '../api/session';
import type { Token } from '../api/types';
import { shortDate } from '../format';
import { deviceName } from '../state/devices';
import { useRepeated, useStore } from '../store';
import { t } from '../texts';
import { Confirm } from '../ui/dialog';
import { Button, Empty, Failure, Page, Waiting } from '../ui/parts';
import { toast } from '../ui/toast';
import { NewToken } from './newtoken';

interface OwnRow {
  token: string;
  expires_at: string | null;
  client: string;
  note?: string;
  scopes: string[];
  created_at: string;
}

/** All tokens of the cloud for an administrator, else one's own. */
async function loadTokens(admin: boolean, user: string, signal: AbortSignal): Promise<Token[]> {
  if (admin) return api<Token[]>('GET', '/v1/localcloud/tokens', { signal });
  const rows = await api<OwnRow[]>('GET', '/v1/access_tokens', { signal });
  return rows.map((r) => ({ id: r.token, user, client: r.client, note: r.note ?? '', scopes: r.scopes, created: r.created_at, expires: r.expires_at }));
}

export function TokensPage() {
  const who = useStore(session.current);
  const admin = who.kind === 'in' && who.admin;
  const user = who.kind === 'in' ? who.user : '';
  const mine = who.kind === 'in' ? who.token : '';
  const [list, setList] = useState<Token[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const [round, setRound] = useState(0);
  useRepeated(
    (signal) =>
      loadTokens(admin, user, signal).then(
        (tokens) => {
          setList(tokens.sort((a, b) => b.created.localeCompare(a.created)));
          setError(null);
        },
        (err) => !signal.aborted && setError(asError(err)),
      ),
    20_000,
    [round, admin],
  );
  const revoke = async (token: Token) => {
    await api('DELETE', admin ? `/v1/localcloud/tokens/${token.id}` : `/v1/access_tokens/${token.id}`);
    toast(t.tokens.revoked);
    if (token.id === mine) await session.load();
    setRound((n) => n + 1);
  };
  return (
    <Page
      title={t.tokens.title}
      lead={t.tokens.lead}
      kind="narrow"
      actions={
        admin && (
          <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
            {t.tokens.make}
          </Button>
        )
      }
    >
      {error && <Failure error={error} />}
      {!list && !error && <Waiting />}
      {list && (
        <div class="card plain">
          {list.length === 0 && <Empty icon="tokens" title={t.tokens.empty}>{t.tokens.emptyText}</Empty>}
          <ul class="lines">
            {list.map((token) => (
              <li key={token.id} class="wrap">
                <TokenText token={token} mine={token.id === mine} showUser={admin} />
                <Button small kind="bad" onClick={() => setRevoking(token)}>
                  {t.tokens.revoke}
                </Button>
              </li>
            ))}
          </ul>
        </div>
      )}
      {making && (
        <NewToken
          user={user}
          onClose={() => {
            setMaking(false);
            setRound((n) => n + 1);
          }}
        />
      )}
      {revoking && (
        <Confirm title={t.tokens.revokeTitle} text={t.tokens.revokeText} action={t.tokens.revoke} onConfirm={() => revoke(revoking)} onClose={() => setRevoking(null)} />
      )}
    </Page>
  );
}

const soon = 7 * 86_400_000; // ms before the end of a token within which it is worth a word

function TokenText({ token, mine, showUser }: { token: Token; mine: boolean; showUser: boolean }) {
  const ends = token.expires ? Date.parse(token.expires) : 0;
  const browser = token.client === 'console';
  return (
    <div class="grow stack tight">
      <div class="row wrap">
        <strong class="cut">{browser ? (mine ? t.tokens.thisOne : t.tokens.session) : token.note || token.client || t.tokens.login}</strong>
        {(token.scopes.length ? token.scopes : [t.tokens.everything]).map((s) => (
          <span key={s} class={token.scopes.length ? 'pill' : 'pill accent'}>
            {s.startsWith('device:') ? deviceName(s.slice(7)) : s}
          </span>
        ))}
        {ends > 0 && ends - Date.now() < soon && <span class="pill warn">{t.tokens.soon(shortDate(token.expires!))}</span>}
      </div>
      <div class="faint small">
        {showUser && `${token.user} · `}
        {t.tokens.created(shortDate(token.created))} · {token.expires ? t.tokens.until(shortDate(token.expires)) : t.tokens.forever}
        {browser && token.note && ` · ${token.note.slice(0, 60)}`}
      </div>
    </div>
  );
}
