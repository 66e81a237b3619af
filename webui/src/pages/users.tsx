import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import type { User } from '../api/types';
import { shortDate } from '../format';
import { useStore } from '../store';
import { t } from '../texts';
import { Confirm, Dialog, FormDialog } from '../ui/dialog';
import { usePolled } from '../ui/load';
import { Button, Check, Command, Failure, Page, TextField, Waiting } from '../ui/parts';
import { toast } from '../ui/toast';

type Asking = { kind: 'add' } | { kind: 'password' | 'remove'; user: User } | { kind: 'made'; name: string; password: string } | null;

const root = '/v1/localcloud/users';

export function UsersPage() {
  const who = useStore(session.current);
  const me = who.kind === 'in' ? who.user : '';
  const [asking, setAsking] = useState<Asking>(null);
  const { value: list, error, again } = usePolled((signal) => api<User[]>('GET', root, { signal }), 30_000);
  const close = () => {
    setAsking(null);
    again();
  };
  /** After a password was set: one that the cloud made is shown once. */
  const made = (name: string, password: string | undefined, said: string) => {
    again();
    setAsking(password ? { kind: 'made', name, password } : null);
    if (!password) toast(said);
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
                <UserText user={user} me={user.name === me} />
                <div class="row">
                  <Button small aria-label={t.ofThis(t.users.newPassword, user.name)} onClick={() => setAsking({ kind: 'password', user })}>
                    {t.users.newPassword}
                  </Button>
                  <Button small kind="bad" aria-label={t.ofThis(t.users.remove, user.name)} disabled={user.name === me} onClick={() => setAsking({ kind: 'remove', user })}>
                    {t.users.remove}
                  </Button>
                </div>
              </li>
            ))}
          </ul>
        </div>
      )}
      {asking?.kind === 'add' && <AddUser onMade={made} onClose={close} />}
      {asking?.kind === 'password' && <NewPassword user={asking.user} onMade={made} onClose={close} />}
      {asking?.kind === 'made' && <OneTime {...asking} onClose={close} />}
      {asking?.kind === 'remove' && (
        <Confirm
          title={t.users.removeTitle(asking.user.name)}
          text={t.users.removeText}
          action={t.users.remove}
          onConfirm={async () => {
            await api('DELETE', `${root}/${encodeURIComponent(asking.user.name)}`);
            toast(t.users.removed(asking.user.name));
          }}
          onClose={close}
        />
      )}
    </Page>
  );
}

function UserText({ user, me }: { user: User; me: boolean }) {
  return (
    <div class="grow stack tight">
      <div class="row wrap">
        <strong class="cut">{user.name}</strong>
        {user.admin && <span class="pill accent">{t.users.isAdmin}</span>}
        {me && <span class="pill">{t.users.you}</span>}
        {user.one_time && <span class="pill warn">{t.users.isOneTime}</span>}
      </div>
      <div class="faint small">
        {t.users.devices(user.devices)} · {t.users.since(shortDate(user.created))}
      </div>
    </div>
  );
}

type Made = (name: string, password: string | undefined, said: string) => void;

/** A password, or the wish that the cloud makes one that is good for one log-in. */
function PasswordFields({ oneTime, onOneTime, password, onPassword }: { oneTime: boolean; onOneTime: (v: boolean) => void; password: string; onPassword: (v: string) => void }) {
  return (
    <>
      <Check checked={oneTime} onChecked={onOneTime}>
        {t.users.oneTime} <span class="faint small block">{t.users.oneTimeText}</span>
      </Check>
      {!oneTime && (
        <TextField label={t.users.password} hint={t.users.passwordHint} type="password" value={password} onValue={onPassword} minlength={8} required autocomplete="new-password" />
      )}
    </>
  );
}

function AddUser({ onMade, onClose }: { onMade: Made; onClose: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [oneTime, setOneTime] = useState(false);
  const [admin, setAdmin] = useState(false);
  const add = async () => {
    const user = await api<User>('POST', root, { body: { name, admin, ...(oneTime ? { one_time: true } : { password }) } });
    onMade(name, user.password, t.users.added(name));
  };
  return (
    <FormDialog title={t.users.add} submit={t.users.submit} onSubmit={add} onClose={onClose}>
      <TextField label={t.users.name} value={name} onValue={setName} required autofocus autocapitalize="none" spellcheck={false} />
      <PasswordFields oneTime={oneTime} onOneTime={setOneTime} password={password} onPassword={setPassword} />
      <Check checked={admin} onChecked={setAdmin}>
        {t.users.admin}
      </Check>
    </FormDialog>
  );
}

function NewPassword({ user, onMade, onClose }: { user: User; onMade: Made; onClose: () => void }) {
  const [password, setPassword] = useState('');
  const [oneTime, setOneTime] = useState(false);
  const save = async () => {
    const answer = await api<{ password?: string }>('PUT', `${root}/${encodeURIComponent(user.name)}`, { body: oneTime ? { one_time: true } : { password } });
    onMade(user.name, answer.password, t.users.passwordSet);
  };
  return (
    <FormDialog title={t.users.passwordFor(user.name)} submit={t.save} onSubmit={save} onClose={onClose}>
      <PasswordFields oneTime={oneTime} onOneTime={setOneTime} password={password} onPassword={setPassword} />
    </FormDialog>
  );
}

/** Shows a password that the cloud made, once. */
function OneTime({ name, password, onClose }: { name: string; password: string; onClose: () => void }) {
  return (
    <Dialog firm title={t.users.oneTimeFor(name)} onClose={onClose}>
      <p class="soft">{t.users.oneTimeMade}</p>
      <Command text={password} />
      <div class="buttons">
        <Button kind="primary" onClick={onClose}>
          {t.tokens.done}
        </Button>
      </div>
    </Dialog>
  );
}
