import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError } from '../api/client';
import { session } from '../api/session';
import { t } from '../texts';
import { FormDialog } from '../ui/dialog';
import { Mark } from '../ui/icons';
import { Button, Check, Command, Failure, Form, TextField, useAction } from '../ui/parts';

/** The frame of the pages before somebody has logged in. */
export function Door({ title, lead, children }: { title: string; lead?: ComponentChildren; children: ComponentChildren }) {
  return (
    <main class="door">
      <div>
        <div class="brand">
          <Mark />
          {t.product}
        </div>
        <div class="card">
          <h1>{title}</h1>
          {lead && <p class="soft">{lead}</p>}
          {children}
        </div>
      </div>
    </main>
  );
}

export function LoginPage({ signUp }: { signUp: boolean }) {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [own, setOwn] = useState<string | null>(null); // chosen in place of a password that was for one log-in
  const [remember, setRemember] = useState(true);
  const { busy, error, run } = useAction(async () => {
    const body = { username: user, password, remember, ...(own ? { new_password: own } : {}) };
    try {
      session.began(await api('POST', '/v1/localcloud/session', { body }));
    } catch (err) {
      if (!(err instanceof ApiError) || err.code !== 'password_change_required' || own) throw err;
      setOwn('');
    }
  });
  return (
    <Door title={t.login.title}>
      <Form onSubmit={run}>
        <TextField label={t.login.user} value={user} onValue={setUser} autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
        <TextField label={t.login.password} value={password} onValue={setPassword} type="password" autocomplete="current-password" required />
        {own !== null && (
          <>
            <p role="status">{t.login.oneTime}</p>
            <TextField label={t.login.newPassword} hint={t.setup.passwordHint} value={own} onValue={setOwn} type="password" autocomplete="new-password" minlength={8} required autofocus />
          </>
        )}
        <Check checked={remember} onChecked={setRemember}>
          {t.login.remember}
        </Check>
        {error && <Failure error={error} />}
        <Button kind="primary" type="submit" busy={busy}>
          {own === null ? t.login.submit : t.login.newSubmit}
        </Button>
      </Form>
      {signUp && <SignUp />}
      <details class="help">
        <summary>{t.login.forgotten}</summary>
        <div class="stack tight">
          <p class="soft small">{t.login.forgottenText}</p>
          <Command text={t.login.forgottenCommand(user)} />
        </div>
      </details>
    </Door>
  );
}

/** Makes an account for whoever asks, where the cloud's owner allows that. */
function SignUp() {
  const [asking, setAsking] = useState(false);
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const make = async () => {
    await api('POST', '/v1/users', { body: { username: user, password } });
    session.began(await api('POST', '/v1/localcloud/session', { body: { username: user, password, remember: true } }));
  };
  return (
    <>
      <Button onClick={() => setAsking(true)}>{t.login.signUp}</Button>
      {asking && (
        <FormDialog title={t.login.signUp} submit={t.login.signUpSubmit} onSubmit={make} onClose={() => setAsking(false)}>
          <TextField label={t.login.user} hint={t.setup.userHint} value={user} onValue={setUser} autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
          <TextField label={t.login.password} hint={t.setup.passwordHint} value={password} onValue={setPassword} type="password" autocomplete="new-password" minlength={8} required />
        </FormDialog>
      )}
    </>
  );
}

/** The cloud was not there when the page was opened. */
export function UnreachablePage() {
  useEffect(() => {
    const timer = setInterval(() => void session.load(), 2_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Door title={t.login.unreachable}>
      <p class="soft" role="status">
        {t.errors.unreachableNext}
      </p>
    </Door>
  );
}

/** The cloud does not take log-ins from a page of this address. */
export function RefusedPage({ reason }: { reason: string }) {
  return (
    <Door title={t.login.refused}>
      <p class="soft">{reason}</p>
      <Button onClick={() => void session.load()}>{t.again}</Button>
    </Door>
  );
}
