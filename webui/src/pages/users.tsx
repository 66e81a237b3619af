import { useState } from 'preact/hooks';
import { api, asError, type ApiError } from '../api/client';
import { session } from '../api/session';
import type { User } from '../api/types';
import { shortDate } from '../format';
import { useRepeated, useStore } from '../store';
import { t } from '../texts';
import { Confirm, Dialog } from '../ui/dialog';
import { Button, Failure, Page, TextField, Waiting, useAction } from '../ui/parts';
import { toast } from '../ui/toast';

type Asking = { kind: 'add' } | { kind: 'password' | 'remove'; user: User } | null;

export function UsersPage() {
  const who = useStore(session.current);
  const [list, setList] = useState<User[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [asking, setAsking] = useState<Asking>(null);
  const [round, setRound] = useState(0);
  useRepeated(
    (signal) =>
      api<User[]>('GET', '/v1/localcloud/users', { signal }).then(
        (users) => {
          setList(users);
          setError(null);
        },
        (err) => !signal.aborted && setError(asError(err)),
      ),
    30_000,
    [round],
  );
  const close = () => {
    setAsking(null);
    setRound((n) => n + 1);
  };
  return (
    <Page
      title={t.users.title}
      lead={t.users.lead}
      kind="narrow"
      actions={
        <Button kind="primary" icon="plus" onClick={() => setAsking({ kind: 'add' })}>
          {t.users.add}
        </Button>
      }
    >
      {error && <Failure error={error} />}
      {!list && !error && <Waiting />}
      {list && (
        <div class="card plain">
          <ul class="lines">
            {list.map((user) => (
              <li key={user.id} class="wrap">
                <div class="grow stack tight">
                  <div class="row wrap">
                    <strong class="cut">{user.name}</strong>
                    {user.admin && <span class="pill accent">{t.users.isAdmin}</span>}
                    {who.kind === 'in' && who.user === user.name && <span class="pill">{t.users.you}</span>}
                  </div>
                  <div class="faint small">
                    {t.users.devices(user.devices)} · {t.users.since(shortDate(user.created))}
                  </div>
                </div>
                <div class="row">
                  <Button small onClick={() => setAsking({ kind: 'password', user })}>
                    {t.users.newPassword}
                  </Button>
                  <Button small kind="bad" disabled={who.kind === 'in' && who.user === user.name} onClick={() => setAsking({ kind: 'remove', user })}>
                    {t.users.remove}
                  </Button>
                </div>
              </li>
            ))}
          </ul>
        </div>
      )}
      {asking?.kind === 'add' && <AddUser onClose={close} />}
      {asking?.kind === 'password' && <NewPassword user={asking.user} onClose={close} />}
      {asking?.kind === 'remove' && (
        <Confirm
          title={t.users.removeTitle(asking.user.name)}
          text={t.users.removeText}
          action={t.users.remove}
          onConfirm={async () => {
            await api('DELETE', `/v1/localcloud/users/${encodeURIComponent(asking.user.name)}`);
            toast(t.users.removed(asking.user.name));
          }}
          onClose={close}
        />
      )}
    </Page>
  );
}

function AddUser({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [admin, setAdmin] = useState(false);
  const { busy, error, run } = useAction(async () => {
    await api('POST', '/v1/localcloud/users', { body: { name, password, admin } });
    toast(t.users.added(name));
    onClose();
  });
  return (
    <Dialog title={t.users.add} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          void run();
        }}
      >
        <TextField label={t.users.name} value={name} onValue={setName} required autofocus autocapitalize="none" spellcheck={false} />
        <TextField label={t.users.password} hint={t.users.passwordHint} type="password" value={password} onValue={setPassword} minlength={8} required autocomplete="new-password" />
        <label class="check">
          <input type="checkbox" checked={admin} onChange={(e) => setAdmin(e.currentTarget.checked)} />
          <span>{t.users.admin}</span>
        </label>
        {error && <Failure error={error} />}
        <div class="buttons">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button kind="primary" type="submit" busy={busy}>
            {t.users.submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function NewPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction(async () => {
    await api('PUT', `/v1/localcloud/users/${encodeURIComponent(user.name)}`, { body: { password } });
    toast(t.users.passwordSet);
    onClose();
  });
  return (
    <Dialog title={t.users.passwordFor(user.name)} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          void run();
        }}
      >
        <TextField label={t.users.password} hint={t.users.passwordHint} type="password" value={password} onValue={setPassword} minlength={8} required autofocus autocomplete="new-password" />
        {error && <Failure error={error} />}
        <div class="buttons">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button kind="primary" type="submit" busy={busy}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
