import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import type { Token } from '../api/types';
import { browserName, shortDate } from '../format';
import { deviceName } from '../state/devices';
import { useStore } from '../store';
import { t } from '../texts';
import { Confirm } from '../ui/dialog';
import { usePolled } from '../ui/load';
import { Button, Empty, Failure, Page, Waiting } from '../ui/parts';
import { toast } from '../ui/toast';
import { NewToken } from './newtoken';

interface OwnRow {
  token: string;
  expires_at: string | null;
  expires_soon: boolean;
  client: string;
  note?: string;
  scopes: string[];
  created_at: string;
}

/** All tokens of the cloud for an administrator, else one's own; the newest first. */
async function loadTokens(admin: boolean, user: string, signal: AbortSignal): Promise<Token[]> {
  const list = admin ? await api<Token[]>('GET', '/v1/localcloud/tokens', { signal }) : (await api<OwnRow[]>('GET', '/v1/access_tokens', { signal })).map((r) => asToken(r, user));
  return list.sort((a, b) => b.created.localeCompare(a.created));
}

function asToken(r: OwnRow, user: string): Token {
  return { id: r.token, user, client: r.client, note: r.note ?? '', scopes: r.scopes, created: r.created_at, expires: r.expires_at, expires_soon: r.expires_soon };
}

export function TokensPage() {
  const who = useStore(session.current);
  const { admin, user, token: mine } = who.kind === 'in' ? who : { admin: false, user: '', token: '' };
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const { value: list, error, again } = usePolled((signal) => loadTokens(admin, user, signal), 20_000, [admin]);
  const revoke = async (token: Token) => {
    await api('DELETE', admin ? `/v1/localcloud/tokens/${token.id}` : `/v1/access_tokens/${token.id}`);
    toast(t.tokens.revoked);
    if (token.id === mine) await session.load();
    again();
  };
  return (
    <Page
      title={t.tokens.title}
      lead={t.tokens.lead}
      kind="narrow"
      actions={
        <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
          {t.tokens.make}
        </Button>
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
                <Button small kind="bad" aria-label={t.ofThis(t.tokens.revoke, titleOf(token, token.id === mine))} onClick={() => setRevoking(token)}>
                  {t.tokens.revoke}
                </Button>
              </li>
            ))}
          </ul>
        </div>
      )}
      {making && (
        <NewToken
          onClose={() => {
            setMaking(false);
            again();
          }}
        />
      )}
      {revoking && (
        <Confirm title={t.tokens.revokeTitle} text={t.tokens.revokeText} action={t.tokens.revoke} onConfirm={() => revoke(revoking)} onClose={() => setRevoking(null)} />
      )}
    </Page>
  );
}

/** What people know a token by. A browser that is logged in is known by what it is. */
function titleOf(token: Token, mine: boolean): string {
  if (token.client !== 'console') return token.note || token.client || t.tokens.login;
  return mine ? t.tokens.thisOne : browserName(token.note) || t.tokens.session;
}

function TokenText({ token, mine, showUser }: { token: Token; mine: boolean; showUser: boolean }) {
  const browser = token.client === 'console';
  return (
    <div class="grow stack tight">
      <div class="row wrap">
        <strong class="cut" title={token.note}>
          {titleOf(token, mine)}
        </strong>
        {(token.scopes.length ? token.scopes : [t.tokens.everything]).map((s) => (
          <span key={s} class={token.scopes.length ? 'pill' : 'pill accent'}>
            {s.startsWith('device:') ? deviceName(s.slice(7)) : s}
          </span>
        ))}
        {token.expires_soon && <span class="pill warn">{t.tokens.soon(shortDate(token.expires!))}</span>}
      </div>
      <div class="faint small">
        {showUser && `${token.user} · `}
        {browser && `${t.tokens.session} · `}
        {t.tokens.created(shortDate(token.created))} · {token.expires ? t.tokens.until(shortDate(token.expires)) : t.tokens.forever}
      </div>
    </div>
  );
}
